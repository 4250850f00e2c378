package dispatch

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// unreferenceJobs bounds the jobs that one command takes a step of, and
// unreferenceBudget the references that it takes back: commits wait for as long as
// it is applied, so it is kept short, far below protocol.MaxUnreferenceStep.
const (
	unreferenceJobs   = 128
	unreferenceBudget = 128
)

// planUnreference turns work into one bounded command: jobs in order, each as far
// as the budget of references goes. Nil when there is nothing to do.
func planUnreference(work []state.UnreferenceWork) *record.Unreference {
	budget := uint64(unreferenceBudget)
	var plan record.Unreference
	for _, w := range work {
		if budget == 0 || len(plan.Steps) == unreferenceJobs {
			break
		}
		count := min(w.Left, budget)
		if count == 0 {
			continue
		}
		plan.Steps = append(plan.Steps, &record.UnreferenceStep{
			Job:    &pb.Version{Generation: w.Job.Generation, Counter: w.Job.Counter},
			Cursor: w.Cursor,
			Count:  uint32(count),
		})
		budget -= count
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	return &plan
}

// unreference takes references back until none are left, then waits for more.
func (l *leading) unreference(ctx context.Context) {
	var from protocol.Version
	l.steps(ctx, "unreference", l.wake, l.cfg.Timing.UnreferenceTick, func() (bool, int, error) { return l.unreferenceStep(ctx, &from) })
}

// unreferenceStep proposes one command and tells whether it was of use, so that
// looking again at once is worth it. from is where this leadership saw the oldest
// job last: a table may have to pass over many that are gone.
func (l *leading) unreferenceStep(ctx context.Context, from *protocol.Version) (more bool, pace int, err error) {
	var plan *record.Unreference
	err = l.plan(ctx, func(r state.Reader) error {
		work, err := state.JobsFrom(r, *from, unreferenceJobs)
		if len(work) > 0 {
			*from = work[0].Job
		}
		plan = planUnreference(work)
		if err != nil || plan == nil {
			return err
		}
		cluster, err := state.ClusterRow(r)
		pace = int(cluster.GetSettings().GetTranquilityPercent())
		return err
	})
	if err != nil || plan == nil {
		return false, pace, err
	}
	res, err := l.propose(ctx, &record.Command{Body: &record.Command_Unreference{Unreference: plan}})
	if err != nil {
		return false, pace, err
	}
	applied := res.GetUnreference().GetApplied()
	l.metrics.steps.Add(float64(applied))
	l.Nudge()
	rouse(l.bulk)
	return applied > 0, pace, nil
}
