package store

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// idleDisk returns a disk whose committer has not been started yet.
func idleDisk(t *testing.T) (*disk, *crashfs.FS) {
	t.Helper()
	fs := crashfs.New(crashfs.Config{})
	s, err := Open(Config{Dirs: []Dir{{Path: "disk", FS: fs}}})
	if err != nil {
		t.Fatal(err)
	}
	d := s.disks[0]
	close(d.acks.jobs)
	<-d.acks.done
	d.acks.jobs = make(chan *job, maxCommit)
	return d, fs
}

// TestRoundSharesTheCount: those who wait together share one durable write, and get
// numbers in the order they came.
func TestRoundSharesTheCount(t *testing.T) {
	d, fs := idleDisk(t)
	var jobs []*job
	for range 20 {
		jobs = append(jobs, d.acks.submit())
	}
	verbs := ""
	fs.SetHook(func(op crashfs.Op) *crashfs.Fault {
		verbs += string(op.Verb) + " " + op.Name + ", "
		return nil
	})
	d.acks.start()
	for i, j := range jobs {
		if ack, err := j.wait(t.Context()); err != nil || ack != uint64(i)+1 {
			t.Errorf("job %d: acknowledgement %d, %v", i, ack, err)
		}
	}
	if d.acks.durable() != 20 || verbs != "write data/ashlar-acks, sync data/ashlar-acks, " {
		t.Errorf("count %d; the round did %s", d.acks.durable(), verbs)
	}
}

// TestRoundFailsTogether: a count that cannot be synced leaves nobody of the round
// acknowledged, and nobody after it.
func TestRoundFailsTogether(t *testing.T) {
	d, fs := idleDisk(t)
	failed := false
	fs.SetHook(func(op crashfs.Op) *crashfs.Fault {
		if op.Verb == crashfs.VerbSync && !failed {
			failed = true
			return &crashfs.Fault{Err: syscall.EIO}
		}
		return nil
	})
	jobs := []*job{d.acks.submit(), d.acks.submit()}
	d.acks.start()
	<-jobs[0].done
	jobs = append(jobs, d.acks.submit())
	for i, j := range jobs {
		if ack, err := j.wait(t.Context()); protocol.KindOf(err) != protocol.Disk || ack != 0 {
			t.Errorf("job %d: %d, %v", i, ack, err)
		}
	}
	if d.acks.durable() != 0 || d.usable() == nil {
		t.Errorf("count %d, failure %v", d.acks.durable(), d.usable())
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	d, _ := idleDisk(t)
	ctx, cancel := context.WithCancel(t.Context())
	j := d.acks.submit()
	cancel()
	if _, err := j.wait(ctx); protocol.KindOf(err) != protocol.UnknownOutcome {
		t.Errorf("who gives up while the disk syncs is told %v", err)
	}
	d.acks.start()
	if ack, err := j.wait(t.Context()); err != nil || ack != 1 {
		t.Errorf("the job goes on: %d, %v", ack, err)
	}
}

// TestMeetGivesUpBehindAFullDisk: where jobs wait for a disk that stands still, up to
// the last place, the next one waits no longer than its context.
func TestMeetGivesUpBehindAFullDisk(t *testing.T) {
	d, _ := idleDisk(t)
	for range maxCommit {
		d.acks.submit()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if j, err := d.acks.offer(ctx); j != nil || protocol.KindOf(err) != protocol.Canceled {
		t.Errorf("offered behind %d jobs: %v", maxCommit, err)
	}
	d.acks.start()
	if j, err := d.acks.offer(t.Context()); err != nil {
		t.Errorf("when the disk goes on: %v", err)
	} else if ack, err := j.wait(t.Context()); err != nil || ack != maxCommit+1 {
		t.Errorf("counted %d, %v", ack, err)
	}
}

// TestMetIsDurableWithTheCount: the highest version is in the slot that counts
// the acknowledgement which carries it.
func TestMetIsDurableWithTheCount(t *testing.T) {
	d, fs := idleDisk(t)
	v := protocol.Version{Generation: 3, Counter: 4}
	d.acks.meet(v)
	d.acks.meet(protocol.Version{Generation: 1, Counter: 100})
	d.acks.start()
	if _, err := d.acks.submit().wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := &disk{fs: fs.Crash(0), marker: d.marker, log: d.log}
	a, err := openAcks(again)
	if err != nil || a.now.highest != v || a.now.acks != 1 || a.now.clean {
		t.Errorf("after a crash the count says %+v, %v", a.now, err)
	}
	again.marker.Disk[0]++
	if _, err := openAcks(again); protocol.KindOf(err) != protocol.Corrupt {
		t.Errorf("another disk's count: %v", err)
	}
}

func TestLocksExcludeAndForget(t *testing.T) {
	l := newLocks()
	var inside, most atomic.Int32
	var hands sync.WaitGroup
	for range 8 {
		hands.Go(func() {
			for round := range 200 {
				h := protocol.Hash{0: byte(round % 2)}
				unlock, err := l.lock(t.Context(), h)
				if err != nil {
					t.Error(err)
					return
				}
				if h[0] == 0 {
					most.Store(max(most.Load(), inside.Add(1)))
					inside.Add(-1)
				}
				unlock()
			}
		})
	}
	hands.Wait()
	if most.Load() != 1 {
		t.Errorf("%d had one lock", most.Load())
	}
	unlock, err := l.lock(t.Context(), protocol.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.lock(ctx, protocol.Hash{}); protocol.KindOf(err) != protocol.Canceled {
		t.Errorf("waiting with an ended context: %v", err)
	}
	unlock()
	for i := range l.shards {
		if n := len(l.shards[i].held); n > 0 {
			t.Errorf("shard %d remembers %d locks", i, n)
		}
	}
}

func TestSoundForgetsTheOldest(t *testing.T) {
	s, one, two := newSound(), &disk{}, &disk{}
	h := protocol.Hash{1}
	s.add(h, one)
	if !s.has(h, one) || s.has(h, two) || s.has(protocol.Hash{2}, one) {
		t.Error("sound mixes up disks or hashes")
	}
	s.add(h, two)
	if s.has(h, one) || !s.has(h, two) {
		t.Error("a copy that moved is still where it was")
	}
	s.now, s.old = map[protocol.Hash]*disk{}, s.now
	if !s.has(h, two) {
		t.Error("the older half is not asked")
	}
	s.remove(h)
	if s.has(h, two) {
		t.Error("removed, and there")
	}
}

func TestCodecsAreLimited(t *testing.T) {
	c, err := newCodecs()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range cap(c.free) {
		if _, err := c.get(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := c.get(ctx); protocol.KindOf(err) != protocol.Canceled {
		t.Errorf("one more than there are: %v", err)
	}
}
