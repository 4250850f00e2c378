package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestWhatRaftsErrorsMean(t *testing.T) {
	t.Parallel()
	for err, kind := range map[error]protocol.Kind{
		raft.ErrNotLeader:                    protocol.NotLeader,
		raft.ErrLeadershipTransferInProgress: protocol.Unavailable,
		raft.ErrEnqueueTimeout:               protocol.Busy,
		raft.ErrAbortedByRestore:             protocol.Unavailable,
		raft.ErrLeadershipLost:               protocol.UnknownOutcome,
		raft.ErrRaftShutdown:                 protocol.UnknownOutcome,
		errors.New("a disk's"):               protocol.UnknownOutcome,
	} {
		if got := protocol.KindOf(applyError(err)); got != kind {
			t.Errorf("%v is %v, not %v", err, got, kind)
		}
	}
}

// What the batcher concatenates is record.Entry, and each command gets its own
// result.
func TestEachCommandGetsItsOwnResult(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[0]
	const n = 300
	var callers sync.WaitGroup
	for i := range n {
		callers.Go(func() {
			key := fmt.Sprintf("key-%d", i)
			cmd := put(key, key)
			if i%3 == 0 {
				cmd.GetCommit().Bucket = "not a bucket"
			}
			r, err := m.Propose(within(t), cmd)
			switch {
			case err != nil:
				t.Errorf("%s: %v", key, err)
			case i%3 == 0 && protocol.Kind(r.Kind) != protocol.InvalidArgument:
				t.Errorf("%s: kind %d", key, r.Kind)
			case i%3 != 0 && (r.Kind != 0 || r.GetCommit() == nil):
				t.Errorf("%s: %v", key, r)
			}
		})
	}
	callers.Wait()
	for i := range n {
		key := fmt.Sprintf("key-%d", i)
		if got, err := m.get(within(t), pb.Level_LEVEL_LINEARIZABLE, key); err != nil || (got == key) != (i%3 != 0) {
			t.Fatalf("%s reads %q, %v", key, got, err)
		}
	}
	if s := m.Status(); s.Commands < n || s.Entries >= s.Commands {
		t.Fatalf("%d commands in %d entries", s.Commands, s.Entries)
	}
}

func TestLimitsOfACommand(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[0]
	big := put("key", "")
	big.Request = strings.Repeat("x", protocol.MaxEntrySize)
	if _, err := m.Propose(within(t), big); protocol.KindOf(err) != protocol.TooLarge {
		t.Fatalf("a command above an entry: %v", err)
	}
	big.Request = strings.Repeat("x", protocol.MaxEntrySize-200)
	if _, err := m.Propose(within(t), big); err != nil {
		t.Fatalf("a command of nearly an entry: %v", err)
	}
}

// unstarted is a batcher whose batches a test takes by hand.
func unstarted() *batcher { return newBatcher(nil, 1) }

func (b *batcher) enqueue(size, rows int) *proposal {
	p := &proposal{bytes: make([]byte, size), rows: rows, done: make(chan outcome, 1)}
	b.queue <- p
	return p
}

func TestLimitsOfABatch(t *testing.T) {
	t.Parallel()
	b := unstarted()
	for range MaxBatch + 10 {
		b.enqueue(10, 1)
	}
	if batch, _ := b.collect(); len(batch) != MaxBatch {
		t.Fatalf("%d commands in one entry", len(batch))
	}
	if batch, _ := b.collect(); len(batch) != 10 {
		t.Fatalf("%d commands in the next", len(batch))
	}
	for range 5 {
		b.enqueue(100<<10, 1)
	}
	for want := 2; want > 0; want-- {
		batch, entry := b.collect()
		if len(batch) != 2 || len(entry) > protocol.MaxEntrySize {
			t.Fatalf("%d commands, %d bytes", len(batch), len(entry))
		}
	}
	b.collect()
	b.enqueue(10, maxBatchRows-5)
	b.enqueue(10, 6)
	if batch, _ := b.collect(); len(batch) != 1 {
		t.Fatalf("%d commands of too many rows", len(batch))
	}
	b.collect()
	b.enqueue(10, 10*protocol.MaxEntryRows)
	if batch, _ := b.collect(); len(batch) != 1 {
		t.Fatal("a command that is large by itself never goes")
	}
}

func TestWithdrawnCommandsAreNotProposed(t *testing.T) {
	t.Parallel()
	b := unstarted()
	first, second := b.enqueue(1, 1), b.enqueue(2, 1)
	if _, err := first.giveUp(protocol.Canceled, context.Canceled); protocol.KindOf(err) != protocol.Canceled {
		t.Fatalf("withdrawn in time: %v", err)
	}
	batch, entry := b.collect()
	if len(batch) != 1 || batch[0] != second || len(entry) != 1+1+2 {
		t.Fatalf("%d commands, %d bytes", len(batch), len(entry))
	}
	if _, err := second.giveUp(protocol.Canceled, context.Canceled); protocol.KindOf(err) != protocol.UnknownOutcome {
		t.Fatalf("withdrawn too late: %v", err)
	}
	second.done <- outcome{result: &record.Result{}}
	if r, err := second.giveUp(protocol.Canceled, context.Canceled); err != nil || r == nil {
		t.Fatalf("the outcome was there: %v", err)
	}
}

func TestEntryIsRecordEntry(t *testing.T) {
	t.Parallel()
	b := unstarted()
	want := &record.Entry{}
	for i := range 3 {
		cmd := put(fmt.Sprintf("key-%d", i), strings.Repeat("v", i*100))
		bytes, err := cmd.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		b.queue <- &proposal{bytes: bytes, done: make(chan outcome, 1)}
		want.Commands = append(want.Commands, cmd)
	}
	_, entry := b.collect()
	got, err := want.MarshalVT()
	if err != nil || string(got) != string(entry) {
		t.Fatalf("%x\n%x, %v", entry, got, err)
	}
}

// The queue is bounded, and a full one says so at once.
func TestFullQueueIsBusy(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	l := g.leader()
	g.isolate(l)
	ctx, cancel := context.WithCancel(within(t))
	var callers sync.WaitGroup
	busy := make(chan error, 1)
	for range MaxQueued + MaxInFlight*MaxBatch + 100 {
		callers.Go(func() {
			_, err := l.Propose(ctx, put("key", "value"))
			if protocol.KindOf(err) == protocol.Busy || protocol.KindOf(err) == protocol.NotLeader {
				select {
				case busy <- err:
				default:
				}
			}
		})
	}
	<-busy
	cancel()
	callers.Wait()
}

// TestBatchesFitIntoEntries: what is packed together has room in one entry, so that
// apply refuses none of it as Busy.
func TestBatchesFitIntoEntries(t *testing.T) {
	t.Parallel()
	m, err := state.Open(table.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	b := unstarted()
	index := uint64(0)
	run := func(commands ...*record.Command) {
		t.Helper()
		for _, c := range commands {
			bytes, err := c.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			b.queue <- &proposal{bytes: bytes, rows: state.Rows(c)}
		}
		for left := len(commands); left > 0; {
			batch, entry := b.collect()
			left -= len(batch)
			index++
			results, err := m.Apply(index, 1, entry)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range results {
				if r.GetKind() != 0 {
					t.Fatalf("command %d of %d: %s: %s", i, len(batch), protocol.Kind(r.GetKind()), r.GetDetail())
				}
			}
		}
	}
	run(&record.Command{Body: &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{
		Cluster: append(make([]byte, 15), 1), Settings: &record.Settings{Redundancy: 1, Quorum: 1},
	}}})
	var opens, commits, closes []*record.Command
	for i := range byte(100) {
		session := append(make([]byte, 15), i+1)
		opens = append(opens, &record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: session}}})
		for n := range uint64(protocol.SessionWindow) {
			call := &pb.Call{Session: session, Opened: &pb.Version{Generation: 1, Counter: uint64(i) + 2}, Sequence: n + 1, LowestUnacked: 1}
			commits = append(commits, &record.Command{Body: &record.Command_Commit{Commit: &pb.CommitRequest{Call: call, Bucket: "bucket", Name: "name"}}})
		}
		closes = append(closes, &record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: session}}})
	}
	run(opens...)
	run(commits...)
	run(closes...)
}
