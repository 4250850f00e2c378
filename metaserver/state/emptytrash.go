package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkEmptyTrash(q *record.EmptyTrash) error {
	if len(q.Items) == 0 || len(q.Items) > protocol.MaxTrashBatch {
		return protocol.Errorf(protocol.InvalidArgument, "one command takes 1 to %d objects out of the trash, not %d", protocol.MaxTrashBatch, len(q.Items))
	}
	for _, item := range q.Items {
		if err := checkObjectName(item.GetBucket(), item.GetName()); err != nil {
			return err
		}
	}
	return nil
}

// rowsOfEmptying: an object's two rows of the trash, its job, and a row of the
// audit, should its bucket be another than that of the one before.
const rowsOfEmptying = 4

// emptyTrash takes objects out of the trash for good: the leader found them due,
// or an operator asked. Whether it is time was for them to judge. An object that is
// no longer there, or that is due at another time, is not the one that was judged,
// and stays. Each that goes takes a version of its own, which names its job.
//
// What a leader judged in another generation is stale as a whole: where the present
// one begins, names may be paused (StartGeneration), and the leader that found
// objects due did not know. What an operator asks for is done.
func (a *applier) emptyTrash(q *record.EmptyTrash) *record.Result {
	out := &record.EmptyTrashResult{}
	if q.IfGeneration != 0 && q.IfGeneration != a.cluster.Generation {
		out.Ignored = uint32(len(q.Items))
		return &record.Result{Version: toPB(a.version()), Body: &record.Result_EmptyTrash{EmptyTrash: out}}
	}
	var row *pb.AuditRow
	for _, item := range q.Items {
		key := keyTrash(item.Bucket, item.Name, fromPB(item.Version))
		trashed := &record.Trashed{}
		if !a.room(rowsOfEmptying) || !a.load(key, trashed) || trashed.DueUnixMs != item.IfDueUnixMs {
			out.Ignored++
			continue
		}
		a.untrash(key, trashed)
		ended := a.next()
		a.startJob(jobOf(objectOf(trashed)), ended)
		row = a.auditEmptied(row, item.Bucket, &pb.AuditObject{Name: item.Name, Version: toPB(fromPB(item.Version)), Ended: toPB(ended)})
		out.Applied++
		out.Bytes += objectOf(trashed).Size
	}
	if row != nil {
		a.audit(row)
	}
	return &record.Result{Version: toPB(a.version()), Body: &record.Result_EmptyTrash{EmptyTrash: out}}
}

// auditEmptied adds an object to the audit's row of its bucket; a row of another
// bucket is kept first.
func (a *applier) auditEmptied(row *pb.AuditRow, bucket string, o *pb.AuditObject) *pb.AuditRow {
	if row != nil && row.Bucket != bucket {
		a.audit(row)
		row = nil
	}
	if row == nil {
		row = &pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_TRASH_EMPTIED, Bucket: bucket}
	}
	row.Objects = append(row.Objects, o)
	return row
}
