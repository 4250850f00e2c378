package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkDelete(q *pb.DeleteRequest) error {
	if err := checkCall(q.Call); err != nil {
		return err
	}
	if len(q.Items) == 0 || len(q.Items) > protocol.MaxDeleteBatch {
		return protocol.Errorf(protocol.InvalidArgument, "a delete names 1 to %d objects, not %d", protocol.MaxDeleteBatch, len(q.Items))
	}
	for _, item := range q.Items {
		if err := checkObjectName(q.Bucket, item.Name); err != nil {
			return err
		}
		if err := checkPrecondition(item.Precondition); err != nil {
			return err
		}
		if item.Precondition.GetKind() == pb.Precondition_IF_ABSENT {
			return protocol.Errorf(protocol.InvalidArgument, "what is absent cannot be deleted; if-absent makes no sense here")
		}
	}
	return nil
}

// deleteObjects judges and ends each object by itself. Every object that ends
// takes a version of its own, which names its job.
func (a *applier) deleteObjects(q *pb.DeleteRequest) *record.Result {
	kinds := make([]uint32, len(q.Items))
	answer := &pb.DeleteAnswer{Kinds: kinds}
	row := &pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_DELETE, Bucket: q.Bucket}
	for i, item := range q.Items {
		ended, kind := a.deleteObject(q.Bucket, item)
		if kinds[i] = uint32(kind); ended != nil {
			row.Objects = append(row.Objects, ended)
			answer.TrashDueUnixMs = a.trashDue(q.Bucket)
		}
	}
	if len(row.Objects) > 0 {
		a.audit(row)
	}
	answer.Version = toPB(a.version())
	return &record.Result{Version: answer.Version, Body: &record.Result_Delete{Delete: answer}}
}

func (a *applier) deleteObject(bucket string, item *pb.DeleteItem) (*pb.AuditObject, protocol.Kind) {
	object := &record.Object{}
	if !a.load(keyObject(bucket, item.Name), object) {
		return nil, protocol.NotFound
	}
	if err := judgePrecondition(item.Precondition, true, fromPB(object.Version)); err != nil {
		return nil, protocol.KindOf(err)
	}
	return a.removeObject(bucket, item.Name, object, pb.TrashCause_TRASH_CAUSE_DELETED), 0
}
