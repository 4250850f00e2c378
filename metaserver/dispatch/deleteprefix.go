package dispatch

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch/health"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Limits of deletes of prefixes, and of what else ends many objects.
const (
	// prefixNames is how many names one step looks at: commits wait for as long as
	// a step is applied, so it is kept short, far below protocol.MaxPrefixStep.
	prefixNames = 200
	// MaxPendingJobs and MaxPendingReferences bound what waits to be taken back:
	// while more does, no step adds to it.
	MaxPendingJobs       = 2_000
	MaxPendingReferences = 100_000
)

// planPrefix turns the running deletes into the next step: the one after last in
// turn, so that a short one does not wait for a long one. Nil when nothing runs
// that is not held, or when what the steps before have left behind has to be worked
// off first.
func planPrefix(jobs []*record.PrefixJob, c *record.Cluster, last protocol.Version) *record.DeletePrefixStep {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *record.PrefixJob) bool { return state.IsHeld(c, versionOf(j.Upto)) })
	if len(jobs) == 0 || piledUp(c.GetCounters()) {
		return nil
	}
	next := jobs[0]
	for _, j := range jobs {
		if last.Less(versionOf(j.Upto)) {
			next = j
			break
		}
	}
	return &record.DeletePrefixStep{Job: next.Upto, Cursor: next.Cursor, Count: prefixNames}
}

// piledUp: what has ended already has to be taken back before more ends.
func piledUp(n *pb.Counters) bool {
	return n.GetUnreferenceJobs() >= MaxPendingJobs || n.GetUnreferenceLeft() >= MaxPendingReferences
}

// explainDeletes tells of the deletes that run what they wait for.
func explainDeletes(c *record.Cluster, jobs []*pb.JobInfo) {
	n := c.GetCounters()
	for _, j := range jobs {
		begun, deletes := health.ParseDelete(j.Id)
		switch {
		case !deletes || !health.Runs(j):
		case state.IsHeld(c, begun):
			j.WaitsFor = "`ashlar gc resume`, for it began before the metadata was put back; `ashlar job cancel " + j.Id + "` ends it"
		case piledUp(n):
			j.WaitsFor = fmt.Sprintf("what is deleted already to give its references back: %d objects, %d references, of which at most %d and %d may wait",
				n.GetUnreferenceJobs(), n.GetUnreferenceLeft(), MaxPendingJobs, MaxPendingReferences)
		}
	}
}

func versionOf(v *pb.Version) protocol.Version {
	return protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
}

// deletePrefixes ends the objects of prefixes, one step after another. Where it has
// come to stands in the state: a new leader goes on from there.
func (l *leading) deletePrefixes(ctx context.Context) {
	var last protocol.Version
	l.steps(ctx, "delete of a prefix", l.bulk, l.cfg.Timing.UnreferenceTick, func() (bool, int, error) { return l.prefixStep(ctx, &last) })
}

// prefixStep proposes one step and tells whether it was of use; last is whose
// turn it was.
func (l *leading) prefixStep(ctx context.Context, last *protocol.Version) (more bool, pace int, err error) {
	var step *record.DeletePrefixStep
	err = l.plan(ctx, func(r state.Reader) error {
		cluster, err := state.ClusterRow(r)
		if err != nil || cluster.GetCounters().GetPrefixJobs() == 0 {
			return err
		}
		pace = int(cluster.GetSettings().GetTranquilityPercent())
		jobs, err := state.PrefixJobs(r, false)
		step = planPrefix(jobs, cluster, *last)
		return err
	})
	if err != nil || step == nil {
		return false, pace, err
	}
	*last = versionOf(step.Job)
	res, err := l.propose(ctx, &record.Command{Body: &record.Command_DeletePrefixStep{DeletePrefixStep: step}})
	if err != nil {
		return false, pace, err
	}
	done := res.GetPrefixStep()
	l.metrics.prefixSteps.Inc()
	l.metrics.prefixObjects.Add(float64(done.GetEnded()))
	rouse(l.wake)
	// A stale step is one that somebody else has done or stopped: look again.
	return done.GetStale() || done.GetDone() || done.GetEnded()+done.GetKept() > 0, pace, nil
}
