package replica

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/bundle"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/logstore"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/snapshots"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// fsm hands committed entries to the state machine. Raft calls it from one
// goroutine, the applier; only FSMSnapshot runs beside it.
type fsm struct {
	states    *states
	folder    *folder
	snapshots *snapshots.Store
	logs      *logstore.Store
	progress  *progress
	committed *committed
	// fatal ends the replica; healthy is its error afterwards.
	fatal   func(error)
	healthy func() error
	// replace ends this raft, and the port's silence ends with the next one.
	replace func()
}

var _ raft.BatchingFSM = (*fsm)(nil)

// applied is what an entry's future carries: one result for each command, or the
// failure that ended the replica.
type applied struct {
	results []*record.Result
	err     error
}

// Apply applies one entry.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch applies entries in order. Each is one atomic batch of the state's,
// which holds the entry's index and term, so that entries already there are
// skipped. Readers see the new state before any result is told.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	out := make([]any, len(logs))
	for i, l := range logs {
		switch l.Type {
		case raft.LogCommand:
			out[i] = f.apply(l)
		case raft.LogConfiguration:
			f.committed.learn(l.Index, raft.DecodeConfiguration(l.Data).Servers)
		}
	}
	f.states.applied()
	m := f.states.current.machine
	end := logs[len(logs)-1]
	f.progress.publish(end.Index, m.Version())
	return out
}

func (f *fsm) apply(l *raft.Log) applied {
	if err := f.healthy(); err != nil {
		return applied{err: err}
	}
	results, err := f.states.current.machine.Apply(l.Index, l.Term, l.Data)
	if errors.Is(err, state.ErrDiverged) {
		err = protocol.Errorf(protocol.Corrupt, "%w: %s", err, recoverBy)
	}
	if err != nil {
		f.fatal(err)
		return applied{err: err}
	}
	return applied{results: results}
}

// Snapshot takes a checkpoint: exactly the state after the entries applied so
// far. Its cost is that of hard links.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.healthy(); err != nil {
		return nil, err
	}
	g := f.states.current
	c := &checkpoint{snapshots.Checkpoint{Dir: f.snapshots.Scratch()}}
	c.Index, c.Term = g.machine.Applied()
	if err := g.table.Checkpoint(c.Dir); err != nil {
		return nil, err
	}
	return c, nil
}

// Restore makes a snapshot that has just been received the state, and the log fit
// it. The stream is read up to its header only: its bytes already lie, verified and
// durable, in the snapshot store. A state that covers the snapshot stays as it is.
// What a crash leaves undone here, the next start does.
func (f *fsm) Restore(r io.ReadCloser) error {
	h, err := bundle.ReadHeader(r)
	if err != nil {
		return err
	}
	if err := f.healthy(); err != nil {
		return err
	}
	one, ok := f.snapshots.Find(h.Index, h.Term)
	if !ok {
		return protocol.Errorf(protocol.NotFound, "restore: no snapshot of entry %d, term %d", h.Index, h.Term)
	}
	if have, _ := f.states.current.machine.Applied(); have < one.StateIndex {
		g, err := f.folder.install(one)
		if err != nil {
			return err
		}
		f.states.replace(g)
	}
	f.logs.SetSnapshot(one.Index, one.Term)
	f.committed.learn(one.ConfigurationIndex, one.Configuration().Servers)
	f.progress.publish(one.Index, f.states.current.machine.Version())
	stale, err := settleLog(f.logs, one.Index, one.Term)
	if stale && err == nil {
		f.replace()
		return errReplaced
	}
	return err
}

// checkpoint is a Pebble checkpoint on its way to the snapshot store.
type checkpoint struct{ snapshots.Checkpoint }

// Persist hands the checkpoint over; everything in it is durable already.
func (c *checkpoint) Persist(s raft.SnapshotSink) error {
	k, ok := s.(*snapshots.Sink)
	if !ok {
		return protocol.Errorf(protocol.Internal, "snapshot: a sink of another store")
	}
	return k.Adopt(c.Checkpoint)
}

// Release removes a checkpoint that was not handed over.
func (c *checkpoint) Release() { _ = os.RemoveAll(c.Dir) }

// progress is how far the applier has come, and who waits for more.
type progress struct {
	mu      sync.Mutex
	index   uint64
	version protocol.Version
	wake    chan struct{}
}

func (p *progress) publish(index uint64, version protocol.Version) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index, p.version = max(p.index, index), version
	if p.wake != nil {
		close(p.wake)
		p.wake = nil
	}
}

func (p *progress) read() (uint64, protocol.Version) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.index, p.version
}

// await returns once version has been reached, or with ctx's error.
func (p *progress) await(ctx context.Context, version protocol.Version) error {
	for {
		p.mu.Lock()
		if !p.version.Less(version) {
			p.mu.Unlock()
			return nil
		}
		if p.wake == nil {
			p.wake = make(chan struct{})
		}
		wake := p.wake
		p.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
