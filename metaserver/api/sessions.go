package api

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// sessionOpen opens a session under the client's random id, which a retry repeats.
// Where there is none it is drawn here: then a retry after an unknown outcome opens
// another session, and the first ends by being idle.
func (a *API) sessionOpen(ctx context.Context, q *pb.SessionOpenRequest) (*pb.SessionOpenAnswer, error) {
	id := q.GetSession()
	if len(id) == 0 {
		id = draw()
	}
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

// uploadCreate begins an object that is larger than one log entry. The id is
// drawn here; a retry of the same call is answered with the first one's.
func (a *API) uploadCreate(ctx context.Context, q *pb.UploadCreateRequest) (*pb.UploadCreateAnswer, error) {
	cmd := &record.CreateUpload{Call: q.GetCall(), Upload: draw(), Bucket: q.GetBucket()}
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_CreateUpload{CreateUpload: cmd}})
	if err != nil {
		return nil, err
	}
	ans := res.GetCreateUpload()
	if ans == nil {
		return nil, noBody("upload/create")
	}
	return ans, nil
}

// uploadAppend adds the next page of blocks and references them.
func (a *API) uploadAppend(ctx context.Context, q *pb.UploadAppendRequest) (*pb.UploadAppendAnswer, error) {
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_AppendUpload{AppendUpload: q}})
	if err != nil {
		return nil, err
	}
	return &pb.UploadAppendAnswer{Version: res.GetVersion()}, nil
}

// uploadAbort ends an upload that no object has taken over.
func (a *API) uploadAbort(ctx context.Context, q *pb.UploadAbortRequest) (*pb.UploadAbortAnswer, error) {
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_AbortUpload{AbortUpload: q}})
	if err != nil {
		return nil, err
	}
	a.cfg.Ended()
	return &pb.UploadAbortAnswer{Version: res.GetVersion()}, nil
}
