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

// noBody is a result without the body of its command: a broken state machine.
func noBody(what string) error {
	return protocol.Errorf(protocol.Internal, "the result of %s has no body", what)
}
