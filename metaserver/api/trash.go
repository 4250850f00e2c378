package api

import (
	"cmp"
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// undelete brings an object back out of its bucket's trash.
func (a *API) undelete(ctx context.Context, q *pb.UndeleteRequest) (*pb.UndeleteAnswer, error) {
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_Undelete{Undelete: q}})
	if err != nil {
		return nil, err
	}
	ans := res.GetUndelete()
	if ans == nil {
		return nil, noBody("undelete")
	}
	if ans.GetReplaced() {
		a.cfg.Ended()
	}
	return ans, nil
}

// trashList answers one page of the trash; no limit means the longest page.
func (a *API) trashList(ctx context.Context, q *pb.TrashListRequest) (*pb.TrashListAnswer, error) {
	if err := checkTrashList(q); err != nil {
		return nil, err
	}
	return read(ctx, a, q.GetLevel(), q.GetMinVersion(), q, state.TrashList)
}

func checkTrashList(q *pb.TrashListRequest) error {
	return checkList(&pb.ListRequest{Bucket: q.GetBucket(), Prefix: q.GetPrefix(), After: q.GetAfter(), Limit: q.GetLimit(), Level: q.GetLevel()})
}

// trashEmpty takes the next objects of a prefix out of the trash: those that stand
// there now, up to what one command takes. What is gone or changed by the time that
// the command is applied is left alone.
func (a *API) trashEmpty(ctx context.Context, q *pb.TrashEmptyRequest) (*pb.TrashEmptyAnswer, error) {
	if err := protocol.CheckBucket(q.GetBucket()); err != nil {
		return nil, err
	}
	list := &pb.TrashListRequest{
		Bucket: q.GetBucket(), Prefix: q.GetPrefix(), After: q.GetAfter(), AfterVersion: q.GetAfterVersion(), Limit: protocol.MaxTrashBatch,
	}
	page, err := read(ctx, a, pb.Level_LEVEL_LINEARIZABLE, nil, list, state.TrashList)
	if err != nil {
		return nil, err
	}
	ans := &pb.TrashEmptyAnswer{Next: page.GetNext(), NextVersion: page.GetNextVersion(), Version: page.GetVersion()}
	if len(page.GetObjects()) == 0 {
		return ans, nil
	}
	cmd := &record.EmptyTrash{}
	for _, t := range page.GetObjects() {
		o := t.GetObject()
		cmd.Items = append(cmd.Items, &record.TrashItem{Bucket: o.GetBucket(), Name: o.GetName(), Version: o.GetVersion(), IfDueUnixMs: t.GetDueUnixMs()})
	}
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_EmptyTrash{EmptyTrash: cmd}})
	if err != nil {
		return nil, err
	}
	a.cfg.Ended()
	ans.Emptied, ans.Bytes, ans.Version = res.GetEmptyTrash().GetApplied(), res.GetEmptyTrash().GetBytes(), res.GetVersion()
	return ans, nil
}

// bucketSet changes those of a bucket's settings that the request has; Changed if
// they are no longer those that it was decided on, or somebody else changed them
// meanwhile.
func (a *API) bucketSet(ctx context.Context, q *pb.BucketSetRequest) (*pb.BucketSetAnswer, error) {
	present, err := a.bucketGet(ctx, &pb.BucketGetRequest{Bucket: q.GetBucket()})
	if err != nil {
		return nil, err
	}
	info := &pb.BucketInfo{
		Bucket: q.GetBucket(), TrashKeepMs: present.GetBucket().GetTrashKeepMs(), Redundancy: present.GetBucket().GetRedundancy(),
	}
	if q.TrashKeepMs != nil {
		info.TrashKeepMs = q.GetTrashKeepMs()
	}
	if q.Redundancy != nil {
		info.Redundancy = q.GetRedundancy()
	}
	cmd := &record.PutBucket{
		Bucket: info.Bucket, TrashKeepMs: info.TrashKeepMs, Redundancy: info.Redundancy,
		IfVersion: cmp.Or(q.GetIfVersion(), present.GetBucket().GetVersion()),
	}
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_PutBucket{PutBucket: cmd}})
	if err != nil {
		return nil, err
	}
	info.Version = res.GetVersion()
	if isUsual(info) && isUsual(present.GetBucket()) {
		// Nothing was set and nothing is: the version that was asked for stays.
		info.Version = cmd.IfVersion
	}
	return &pb.BucketSetAnswer{Bucket: info, Version: res.GetVersion()}, nil
}

// isUsual: the bucket's settings are those of every bucket of which nothing was set.
func isUsual(b *pb.BucketInfo) bool { return b.GetTrashKeepMs() == 0 && b.GetRedundancy() == 0 }

// bucketGet answers a bucket's settings.
func (a *API) bucketGet(ctx context.Context, q *pb.BucketGetRequest) (*pb.BucketGetAnswer, error) {
	if err := checkLevel(q.GetLevel()); err != nil {
		return nil, err
	}
	return read(ctx, a, q.GetLevel(), q.GetMinVersion(), q, state.Bucket)
}
