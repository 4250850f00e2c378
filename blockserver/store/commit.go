package store

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// maxCommit bounds the jobs that one round of the committer takes together, and
// those that wait for the next.
const maxCommit = 256

// job is one operation's wish to have names made durable, and to be counted.
type job struct {
	// dirs are the directories to sync.
	dirs []string
	// leaf, if markLeaf, is the fan-out directory that is durable then.
	leaf     uint16
	markLeaf bool
	// count asks for an acknowledgement number, meet for a slot that carries the
	// highest version met.
	count, meet bool

	ack  uint64
	err  error
	done chan struct{}
}

// submit hands a job to the committer, which serves in order. Who submits under
// a hash's lock and waits outside is therefore answered before, and fails before,
// whoever takes the lock next.
func (a *acks) submit(j *job) *job {
	j.done = make(chan struct{})
	a.jobs <- j
	return j
}

// wait returns the acknowledgement number, once everything is durable.
func (j *job) wait(ctx context.Context) (uint64, error) {
	select {
	case <-j.done:
		return j.ack, j.err
	case <-ctx.Done():
		return 0, protocol.Errorf(protocol.UnknownOutcome, "the caller gave up while the disk was syncing: %w", ctx.Err())
	}
}

// start runs the committer.
func (a *acks) start() {
	a.jobs, a.done = make(chan *job, maxCommit), make(chan struct{})
	go func() {
		defer close(a.done)
		for first := range a.jobs {
			a.round(a.gather(first))
		}
	}()
}

// gather takes who else is waiting.
func (a *acks) gather(first *job) []*job {
	jobs := []*job{first}
	for len(jobs) < maxCommit {
		select {
		case j, open := <-a.jobs:
			if !open {
				return jobs
			}
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
	return jobs
}

// round makes the jobs' names durable, then their count, then answers.
func (a *acks) round(jobs []*job) {
	err := a.disk.usable()
	if err == nil {
		err = a.syncDirs(jobs)
	}
	count, meet := 0, false
	for _, j := range jobs {
		if j.count {
			count++
		}
		meet = meet || j.meet
	}
	base := a.durable()
	if err == nil && (count > 0 || meet) {
		err = a.write(count, false)
	}
	for _, j := range jobs {
		if j.err = err; err == nil && j.count {
			base++
			j.ack = base
		}
		close(j.done)
	}
}

// syncDirs syncs each directory once, and remembers the leaves that are durable.
func (a *acks) syncDirs(jobs []*job) error {
	synced := map[string]bool{}
	for _, j := range jobs {
		for _, dir := range j.dirs {
			if synced[dir] {
				continue
			}
			if err := a.disk.fs.SyncDir(dir); err != nil {
				return a.disk.fail("sync "+dir, err)
			}
			synced[dir] = true
		}
	}
	a.disk.mu.Lock()
	defer a.disk.mu.Unlock()
	for _, j := range jobs {
		if j.markLeaf {
			a.disk.leaves[j.leaf] = true
		}
	}
	return nil
}
