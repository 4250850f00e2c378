package dispatch

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// trash empties what is due until nothing is, then waits for the next tick.
func (l *leading) trash(ctx context.Context) {
	l.steps(ctx, "trash", nil, l.cfg.Timing.TrashTick, func() (bool, int, error) { return l.trashStep(ctx) })
}

// trashStep proposes one command for the objects that are due by this machine's
// clock, and tells whether it was full and of use, so that looking again at once is
// worth it. It waits while what ended before piles up, and while names are paused.
func (l *leading) trashStep(ctx context.Context) (more bool, pace int, err error) {
	cmd := &record.EmptyTrash{}
	err = l.plan(ctx, func(r state.Reader) error {
		cluster, err := state.ClusterRow(r)
		if err != nil || state.IsPaused(cluster, state.PausedNames) || piledUp(cluster.GetCounters()) {
			return err
		}
		pace = int(cluster.GetSettings().GetTranquilityPercent())
		cmd.IfGeneration = cluster.GetGeneration()
		cmd.Items, err = state.DueTrash(r, l.cfg.Now().UnixMilli(), protocol.MaxTrashBatch)
		return err
	})
	if err != nil || len(cmd.Items) == 0 {
		return false, pace, err
	}
	res, err := l.propose(ctx, &record.Command{Body: &record.Command_EmptyTrash{EmptyTrash: cmd}})
	if err != nil {
		return false, pace, err
	}
	applied := res.GetEmptyTrash().GetApplied()
	l.metrics.emptied.Add(float64(applied))
	l.Wake()
	return applied > 0 && len(cmd.Items) == protocol.MaxTrashBatch, pace, nil
}
