package state

import (
	"bytes"
	"encoding/binary"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// Why a sweep runs; persisted, so numbers never change meaning.
const (
	SweepLayout    uint32 = 1
	SweepAway      uint32 = 2
	SweepBack      uint32 = 3
	SweepRebalance uint32 = 4
)

// maxSweeps bounds the ended sweeps that are kept.
const maxSweeps = 32

// startSweep begins to bring every block in line with the placement, as it has
// just changed. It supersedes one that runs: a sweep goes by the placement at each
// of its steps. Where there is no block it has nothing to do, and none stands by an
// older layout.
func (a *applier) startSweep(cause, node uint32) {
	if a.m.sweep != nil {
		a.endSweep(record.Sweep_SUPERSEDED)
	}
	if records(a.cluster.Counters) == 0 {
		a.retireLayouts(a.cluster.LayoutVersion)
		return
	}
	a.cluster.LastSweep++
	a.m.sweep = &record.Sweep{
		Cause: cause, Node: node, LayoutVersion: a.cluster.LayoutVersion, BlocksTotal: records(a.cluster.Counters),
		Started: toPB(a.version()), StartedUnixMs: a.nowUnixMs,
	}
	a.storeSweep()
}

func (a *applier) storeSweep() { a.store(keySweep(a.cluster.LastSweep), a.m.sweep) }

// endSweep files the running sweep, and forgets the oldest one.
func (a *applier) endSweep(state record.Sweep_State) {
	s := a.m.sweep
	s.State, s.Ended, s.EndedUnixMs = state, toPB(a.version()), a.nowUnixMs
	a.storeSweep()
	if a.cluster.LastSweep > maxSweeps {
		a.delete(keySweep(a.cluster.LastSweep - maxSweeps))
	}
	a.m.sweep = nil
	if state == record.Sweep_DONE {
		a.retireLayouts(s.LayoutVersion)
	}
}

// settleSweep ends the running sweep when it was walked to the end and no block is
// marked any more: whichever command it was that saw to the last of it.
func (a *applier) settleSweep() {
	if s := a.m.sweep; s != nil && s.Walked && a.cluster.Counters.MovingBlocks == 0 {
		a.endSweep(record.Sweep_DONE)
	}
}

// swept: the running sweep has looked at the hash.
func (a *applier) swept(hash []byte) bool {
	s := a.m.sweep
	return s != nil && (s.Walked || bytes.Compare(hash, s.Cursor) <= 0)
}

// sweepAt reads a sweep; nil where there is none.
func sweepAt(r Reader, number uint64) (*record.Sweep, error) {
	s := &record.Sweep{}
	ok, err := load(r, keySweep(number), s)
	if err != nil || !ok {
		return nil, err
	}
	return s, nil
}

// RunningSweep returns the sweep that runs and its number; nil if none does.
func RunningSweep(r Reader) (number uint64, s *record.Sweep, err error) {
	cluster, err := ClusterRow(r)
	if err != nil || cluster.LastSweep == 0 {
		return 0, nil, err
	}
	s, err = sweepAt(r, cluster.LastSweep)
	if err != nil || s.GetState() != record.Sweep_RUNNING {
		return 0, nil, err
	}
	return cluster.LastSweep, s, nil
}

// NumberedSweep is a sweep with its number.
type NumberedSweep struct {
	Number uint64
	*record.Sweep
}

// Sweeps lists the sweeps that are known, newest first: at most one of them runs.
func Sweeps(r Reader) (out []NumberedSweep, err error) {
	err = scanRows(r, []byte{tableSweeps}, func(key []byte, s *record.Sweep) bool {
		out = append([]NumberedSweep{{binary.BigEndian.Uint64(key[1:]), s}}, out...)
		return true
	})
	return out, err
}
