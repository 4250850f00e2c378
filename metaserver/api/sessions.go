package api

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// sessionOpen opens a session under a random id. A retry after an unknown outcome
// opens another one; the first then ends by being idle.
func (a *API) sessionOpen(ctx context.Context, _ *pb.SessionOpenRequest) (*pb.SessionOpenAnswer, error) {
	id := draw()
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: id}}})
	if err != nil {
		return nil, err
	}
	return &pb.SessionOpenAnswer{Session: id, Window: protocol.SessionWindow, Version: res.GetVersion()}, nil
}

// sessionClose ends a session and whatever it has begun and not committed.
func (a *API) sessionClose(ctx context.Context, q *pb.SessionCloseRequest) (*pb.SessionCloseAnswer, error) {
	cmd := &record.CloseSession{Session: q.GetSession()}
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_CloseSession{CloseSession: cmd}})
	if err != nil {
		return nil, err
	}
	a.cfg.Ended()
	return &pb.SessionCloseAnswer{Version: res.GetVersion()}, nil
}
