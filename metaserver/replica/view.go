package replica

import (
	"context"
	"errors"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// View returns a moment of the state, which the caller closes:
//
//	linearizable  on the leader: everything that was acknowledged before the call
//	session       on any replica: at least version min
//	stale         on any replica, at once
//
// Errors: NotLeader; Unavailable when ReadTimeout or ctx's deadline passes first;
// Canceled; Busy when MaxReads wait already.
func (r *Replica) View(ctx context.Context, level pb.Level, min protocol.Version) (state.View, error) {
	if err := r.serving(); err != nil {
		return nil, err
	}
	switch level {
	case pb.Level_LEVEL_STALE:
		return r.states.view()
	case pb.Level_LEVEL_LINEARIZABLE:
		if !r.lead.now.Load().Leader {
			return nil, errNotLeader()
		}
		return r.viewAfter(ctx, r.rounds.wait)
	case pb.Level_LEVEL_SESSION:
		if _, v := r.progress.read(); !v.Less(min) {
			return r.states.view()
		}
		return r.viewAfter(ctx, func(ctx context.Context) error { return r.progress.await(ctx, min) })
	default:
		return nil, protocol.Errorf(protocol.InvalidArgument, "unknown read level %d", level)
	}
}

// viewAfter waits, within the limits, and takes the moment after that.
func (r *Replica) viewAfter(ctx context.Context, wait func(context.Context) error) (state.View, error) {
	if r.reads.Add(1) > MaxReads {
		r.reads.Add(-1)
		return nil, protocol.Errorf(protocol.Busy, "%d reads wait already", MaxReads)
	}
	defer r.reads.Add(-1)
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.ReadTimeout, errReadTimeout)
	defer cancel()
	if err := wait(ctx); err != nil {
		return nil, readError(err)
	}
	if err := r.serving(); err != nil {
		return nil, err
	}
	return r.states.view()
}

var errReadTimeout = protocol.Errorf(protocol.Unavailable, "this metaserver could not answer the read in time")

// readError dresses a context's end as one of ours.
func readError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.Canceled, "read: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return protocol.Errorf(protocol.Unavailable, "read: %w", err)
	default:
		return err
	}
}
