package state

import (
	"encoding/binary"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// placeable: the layout may name the node.
func placeable(n *record.Node) bool {
	s := site{state: n.State}
	return s.placeable()
}

// checkLayouts: the layouts that are kept are older than the present one, few, and
// whole.
func checkLayouts(w *world) error {
	if len(w.layouts) > maxLayouts {
		return broken("layouts", "%d layouts are kept, of at most %d", len(w.layouts), maxLayouts)
	}
	for _, l := range w.layouts {
		version, row := binary.BigEndian.Uint64(l.key), l.row.row
		if version != row.LayoutVersion || version >= w.cluster.LayoutVersion || l.row.table != protocol.Partitions*int(row.Width)*placeSize {
			return broken("layouts", "layout %d is kept as version %d, the present one is %d", row.LayoutVersion, version, w.cluster.LayoutVersion)
		}
	}
	return nil
}

// checkSweeps: at most the last sweep runs, one that runs has something left to do,
// and not too many are kept.
func checkSweeps(w *world) error {
	if len(w.sweeps) > maxSweeps+1 {
		return broken("sweeps", "%d sweeps are kept", len(w.sweeps))
	}
	for i, s := range w.sweeps {
		number := binary.BigEndian.Uint64(s.key)
		running := s.row.State == record.Sweep_RUNNING
		switch {
		case number != w.cluster.LastSweep-uint64(len(w.sweeps)-1-i):
			return broken("sweeps", "sweep %d stands at place %d of %d, the last is %d", number, i, len(w.sweeps), w.cluster.LastSweep)
		case running && number != w.cluster.LastSweep:
			return broken("sweeps", "sweep %d runs and %d is the last", number, w.cluster.LastSweep)
		case running != (s.row.Ended == nil):
			return broken("sweeps", "sweep %d is in state %s and ended at %v", number, s.row.State, s.row.Ended)
		case running && s.row.Walked && w.cluster.Counters.GetMovingBlocks() == 0:
			return broken("sweeps", "sweep %d was walked to the end, no block is marked, and it runs", number)
		}
	}
	return nil
}

// checkMarks: only live blocks are marked, and a sweep leaves nothing behind: a
// block that the running one has passed, or that has a copy on a node being
// drained since the last one was done, is marked unless it is in line.
func checkMarks(w *world) error {
	p := &Placing{Layout: w.layout, Away: w.cluster.Away, Redundancy: w.cluster.Settings.GetRedundancy()}
	for _, n := range w.nodes {
		p.Nodes = append(p.Nodes, n.row)
	}
	last := &record.Sweep{State: record.Sweep_CANCELED}
	if len(w.sweeps) > 0 {
		last = w.sweeps[len(w.sweeps)-1].row
	}
	for _, b := range w.blocks {
		if b.row.Phase != record.Block_LIVE {
			if b.row.Moving != 0 {
				return broken("marks", "block %x is %s and marked to be moved", b.key, phaseName(b.row.Phase))
			}
			continue
		}
		s := p.StandingOf(b.key, b.row)
		passed := last.State == record.Sweep_DONE || last.State == record.Sweep_RUNNING && (last.Walked || string(b.key) <= string(last.Cursor))
		if b.row.Moving != 0 || s.InLine() || !passed {
			continue
		}
		for _, node := range s.Elsewhere {
			if last.State == record.Sweep_RUNNING || isAway(p.Nodes[node-1]) {
				return broken("marks", "block %x has a copy on node %d, %v are to hold it, and no sweep will see it", b.key, node, s.Targets)
			}
		}
	}
	return nil
}
