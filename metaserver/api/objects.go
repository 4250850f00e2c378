package api

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// commit makes an object visible under its name (reclamation.md, Commit).
func (a *API) commit(ctx context.Context, q *pb.CommitRequest) (*pb.CommitAnswer, error) {
	if err := checkInline(q); err != nil {
		return nil, err
	}
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_Commit{Commit: q}})
	if err != nil {
		return nil, err
	}
	ans := res.GetCommit()
	if ans == nil {
		return nil, noBody("commit")
	}
	if ans.GetReplaced() {
		a.cfg.Ended()
	}
	return ans, nil
}

// lookup answers an object's description, bytes or blocks.
func (a *API) lookup(ctx context.Context, q *pb.LookupRequest) (*pb.LookupAnswer, error) {
	if err := checkLookup(q); err != nil {
		return nil, err
	}
	return read(ctx, a, q.GetLevel(), q.GetMinVersion(), q, state.Lookup)
}

// list answers one page of names; no limit means the longest page.
func (a *API) list(ctx context.Context, q *pb.ListRequest) (*pb.ListAnswer, error) {
	if err := checkList(q); err != nil {
		return nil, err
	}
	if q.GetLimit() == 0 {
		q.Limit = protocol.MaxListPage
	}
	return read(ctx, a, q.GetLevel(), q.GetMinVersion(), q, state.List)
}

// delete removes names; each item has a kind of its own in the answer.
func (a *API) delete(ctx context.Context, q *pb.DeleteRequest) (*pb.DeleteAnswer, error) {
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_Delete{Delete: q}})
	if err != nil {
		return nil, err
	}
	a.cfg.Ended()
	ans := res.GetDelete()
	if ans == nil {
		return nil, noBody("delete")
	}
	return ans, nil
}

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

// noBody is a result without the body of its command: a broken state machine.
func noBody(what string) error {
	return protocol.Errorf(protocol.Internal, "the result of %s has no body", what)
}
