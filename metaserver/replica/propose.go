package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// commandTag is record.Entry's field 1, length-delimited: an entry is its
// commands one after the other, each behind this byte and its length.
const commandTag = 1<<3 | 2

// maxRows bounds the rows of one entry, as state.Rows guesses them: Apply keeps
// room for the results that a session's window gives up.
const maxRows = protocol.MaxEntryRows - protocol.SessionWindow

// proposal is one command on its way.
type proposal struct {
	bytes []byte
	rows  int
	// taken is set by whoever comes first: the batcher, or a caller who gives up.
	taken atomic.Bool
	done  chan outcome
}

type outcome struct {
	result *record.Result
	err    error
}

// batcher packs the commands that wait into one entry while entries before it are
// on their way. A command's fate is known unless its entry was handed to raft and
// nothing came back.
type batcher struct {
	raft    *raft.Raft
	queue   chan *proposal
	flight  chan struct{} // holds a token for each entry on its way
	stop    chan struct{}
	stopped chan struct{}
	// over is the command that did not fit into the entry before.
	over   *proposal
	group  sync.WaitGroup
	counts batchCounts
}

// batchCounts tells how well batching works.
type batchCounts struct{ entries, commands atomic.Uint64 }

func newBatcher(r *raft.Raft) *batcher {
	return &batcher{
		raft:    r,
		queue:   make(chan *proposal, MaxQueued),
		flight:  make(chan struct{}, MaxInFlight),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
}

// run takes batches until stop.
func (b *batcher) run() {
	defer close(b.stopped)
	for {
		select {
		case b.flight <- struct{}{}:
		case <-b.stop:
			return
		}
		batch, entry := b.collect()
		if len(batch) == 0 {
			return
		}
		future := b.raft.ApplyLog(raft.Log{Data: entry}, 0)
		b.group.Go(func() {
			b.settle(batch, future)
			<-b.flight
		})
	}
}

// collect waits for one command and takes with it what is there and fits.
func (b *batcher) collect() (batch []*proposal, entry []byte) {
	rows := 0
	for {
		p := b.next(len(batch) == 0)
		if p == nil {
			return batch, entry
		}
		size := 1 + binary.MaxVarintLen32 + len(p.bytes)
		full := len(entry)+size > protocol.MaxEntrySize || len(batch) == MaxBatch || rows+p.rows > maxRows
		if len(batch) > 0 && full {
			b.over = p
			return batch, entry
		}
		if p.taken.Swap(true) {
			continue
		}
		entry = append(entry, commandTag)
		entry = binary.AppendUvarint(entry, uint64(len(p.bytes)))
		entry = append(entry, p.bytes...)
		batch, rows = append(batch, p), rows+p.rows
	}
}

// next is the next command; nil if none is there and wait is false, or at stop.
func (b *batcher) next(wait bool) *proposal {
	if p := b.over; p != nil {
		b.over = nil
		return p
	}
	select {
	case p := <-b.queue:
		return p
	default:
	}
	if !wait {
		return nil
	}
	select {
	case p := <-b.queue:
		return p
	case <-b.stop:
		return nil
	}
}

// settle waits for an entry's future and tells each command what became of it.
func (b *batcher) settle(batch []*proposal, future raft.ApplyFuture) {
	b.counts.entries.Add(1)
	b.counts.commands.Add(uint64(len(batch)))
	if err := future.Error(); err != nil {
		err = applyError(err)
		for _, p := range batch {
			p.done <- outcome{err: err}
		}
		return
	}
	a, _ := future.Response().(applied)
	for i, p := range batch {
		p.done <- a.outcome(i, len(batch))
	}
}

// outcome is that of command i of n. An entry whose results do not match its
// commands was refused as a whole, with one result for all.
func (a applied) outcome(i, n int) outcome {
	switch {
	case a.err != nil:
		return outcome{err: protocol.Errorf(protocol.UnknownOutcome, "this metaserver failed while it applied the command: %w", a.err)}
	case len(a.results) == n:
		return outcome{result: a.results[i]}
	case len(a.results) == 1:
		return outcome{result: a.results[0]}
	default:
		return outcome{err: protocol.Errorf(protocol.UnknownOutcome, "%d results for %d commands", len(a.results), n)}
	}
}

// close refuses what waits, and returns when what is on its way has its outcome,
// or when ctx ends.
func (b *batcher) close(ctx context.Context) {
	close(b.stop)
	settled := make(chan struct{})
	go func() {
		<-b.stopped
		b.group.Wait()
		close(settled)
	}()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

// Propose puts cmd into the log and returns what applying it answered; a Result
// with a Kind is no error. Errors are *protocol.Error:
//
//	NotLeader       not done: ask the leader
//	Busy            not done: the queue is full
//	TooLarge        not done, ever: the command alone is above MaxEntrySize
//	Canceled        not done: ctx ended before the command was handed to raft
//	Unavailable     not done: leadership is moving, or the replica is closing
//	UnknownOutcome  perhaps done, now or later
func (r *Replica) Propose(ctx context.Context, cmd *record.Command) (*record.Result, error) {
	bytes, err := cmd.MarshalVT()
	if err != nil {
		return nil, protocol.Errorf(protocol.InvalidArgument, "command: %w", err)
	}
	if len(bytes)+1+binary.MaxVarintLen32 > protocol.MaxEntrySize {
		return nil, protocol.Errorf(protocol.TooLarge, "a command of %d bytes; an entry has at most %d", len(bytes), protocol.MaxEntrySize)
	}
	if err := r.serving(); err != nil {
		return nil, err
	}
	if r.raft.State() != raft.Leader {
		return nil, errNotLeader()
	}
	p := &proposal{bytes: bytes, rows: state.Rows(cmd), done: make(chan outcome, 1)}
	select {
	case r.batcher.queue <- p:
	default:
		return nil, protocol.Errorf(protocol.Busy, "%d proposals wait already", MaxQueued)
	}
	select {
	case o := <-p.done:
		return o.result, o.err
	case <-ctx.Done():
		return p.giveUp(protocol.Canceled, ctx.Err())
	case <-r.ended:
		return p.giveUp(protocol.Unavailable, r.serving())
	}
}

// giveUp takes the command back if nobody else has taken it.
func (p *proposal) giveUp(kind protocol.Kind, cause error) (*record.Result, error) {
	if !p.taken.Swap(true) {
		return nil, protocol.Errorf(kind, "the command was not proposed: %w", cause)
	}
	select {
	case o := <-p.done:
		return o.result, o.err
	default:
		return nil, protocol.Errorf(protocol.UnknownOutcome, "nobody waited for the command's outcome: %w", cause)
	}
}

func errNotLeader() error {
	return protocol.Errorf(protocol.NotLeader, "this metaserver does not lead")
}

// applyError says what raft's error means for a command (pitfalls.md 3.3).
func applyError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return errNotLeader()
	case errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return protocol.Errorf(protocol.Unavailable, "leadership is moving to another metaserver: %w", err)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return protocol.Errorf(protocol.Busy, "raft takes no entry now: %w", err)
	case errors.Is(err, raft.ErrAbortedByRestore):
		return protocol.Errorf(protocol.Unavailable, "a restore has overtaken the command: %w", err)
	default:
		return protocol.Errorf(protocol.UnknownOutcome, "the command may or may not take effect: %w", err)
	}
}
