package dispatch

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// trash empties what is due until nothing is, then waits for the next tick.
func (l *leading) trash(ctx context.Context) {
	for {
		more, err := l.trashStep(ctx)
		l.complain(ctx, "trash", err)
		if more && err == nil {
			continue
		}
		if !pause(ctx, nil, l.cfg.Timing.TrashTick) {
			return
		}
	}
}

// trashStep proposes one command for the objects that are due by this machine's
// clock, and tells whether it was full and of use, so that looking again at once is
// worth it.
func (l *leading) trashStep(ctx context.Context) (more bool, err error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	var due []*record.TrashItem
	err = l.look(ctx, func(r state.Reader) (err error) {
		due, err = state.DueTrash(r, l.cfg.Now().UnixMilli(), protocol.MaxTrashBatch)
		return err
	})
	if err != nil || len(due) == 0 {
		return false, err
	}
	res, err := l.propose(ctx, &record.Command{Body: &record.Command_EmptyTrash{EmptyTrash: &record.EmptyTrash{Items: due}}})
	if err != nil {
		return false, err
	}
	applied := res.GetEmptyTrash().GetApplied()
	l.metrics.emptied.Add(float64(applied))
	l.Wake()
	return applied > 0 && len(due) == protocol.MaxTrashBatch, nil
}
