package api

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// prefixDelete begins the delete of a prefix, which the leader carries out in
// steps; the version of its entry is its number.
func (a *API) prefixDelete(ctx context.Context, q *pb.DeletePrefixRequest) (*pb.DeletePrefixAnswer, error) {
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_DeletePrefix{DeletePrefix: q}})
	if err != nil {
		return nil, err
	}
	a.cfg.Ended()
	return &pb.DeletePrefixAnswer{Job: res.GetVersion()}, nil
}

// prefixList tells how far deletes of prefixes have come.
func (a *API) prefixList(ctx context.Context, q *pb.PrefixListRequest) (*pb.PrefixListAnswer, error) {
	return read(ctx, a, pb.Level_LEVEL_LINEARIZABLE, nil, q, state.ListPrefixJobs)
}

// prefixCancel stops one; what has ended stays ended.
func (a *API) prefixCancel(ctx context.Context, q *pb.PrefixCancelRequest) (*pb.PrefixCancelAnswer, error) {
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_CancelPrefixJob{CancelPrefixJob: &record.CancelPrefixJob{Job: q.GetJob()}}})
	if err != nil {
		return nil, err
	}
	return &pb.PrefixCancelAnswer{Version: res.GetVersion()}, nil
}

// audit answers one page of what was taken away, by whom and why.
func (a *API) audit(ctx context.Context, q *pb.AuditRequest) (*pb.AuditAnswer, error) {
	if err := checkLevel(q.GetLevel()); err != nil {
		return nil, err
	}
	return read(ctx, a, q.GetLevel(), nil, q, state.Audit)
}
