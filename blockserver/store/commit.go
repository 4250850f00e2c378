package store

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// maxCommit bounds the acknowledgements that one round of the committer counts
// together, and those that wait for the next.
const maxCommit = 256

// job is one operation's wish to be counted. What it acknowledges is durable
// before it is submitted.
type job struct {
	ack  uint64
	err  error
	done chan struct{}
}

// submit hands a job to the committer, which serves in order.
func (a *acks) submit() *job {
	j := &job{done: make(chan struct{})}
	a.jobs <- j
	return j
}

// wait returns the acknowledgement number, once the count is durable.
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
	a.done = make(chan struct{})
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

// round counts the jobs with one durable write, then answers them. A disk that
// has failed counts nothing.
func (a *acks) round(jobs []*job) {
	base := a.durable()
	err := a.disk.usable()
	if err == nil {
		err = a.write(len(jobs), false)
	}
	for i, j := range jobs {
		if j.err = err; err == nil {
			j.ack = base + uint64(i) + 1
		}
		close(j.done)
	}
}
