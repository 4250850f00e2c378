package state

import (
	"bytes"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkUndelete(q *pb.UndeleteRequest) error {
	if err := checkCall(q.Call); err != nil {
		return err
	}
	if err := checkObjectName(q.Bucket, q.Name); err != nil {
		return err
	}
	return checkPrecondition(q.Precondition)
}

// undelete makes a trashed object the live one of its name again, at a new version.
// Its references stay where they are; those of a live object that it replaces go
// the way of any other that is overwritten.
func (a *applier) undelete(q *pb.UndeleteRequest) *record.Result {
	trashKey, trashed := a.findTrashed(q)
	if trashed == nil {
		return a.refuse(protocol.NotFound, "the trash of bucket %s has no %s", q.Bucket, protocol.Quote(q.Name))
	}
	key := keyObject(q.Bucket, q.Name)
	live := &record.Object{}
	replaced := a.load(key, live)
	precondition := q.Precondition
	if precondition == nil {
		precondition = &pb.Precondition{Kind: pb.Precondition_IF_ABSENT}
	}
	if err := judgePrecondition(precondition, replaced, fromPB(live.Version)); err != nil {
		return a.refuseWith(err)
	}
	version := a.next()
	object := objectOf(trashed)
	answer := &pb.UndeleteAnswer{Version: toPB(version), Undeleted: object.Version}
	a.untrash(trashKey, trashed)
	if replaced {
		answer.Replaced, answer.ReplacedVersion = true, live.Version
		a.endObject(q.Bucket, q.Name, live, version, pb.TrashCause_TRASH_CAUSE_OVERWRITTEN)
	}
	object.Version = answer.Version
	countObject(a.cluster.Counters, object, 1)
	a.store(key, object)
	if replaced {
		a.auditOverwrite(q.Bucket, q.Name, live.Version, object.Version)
	}
	return &record.Result{Version: answer.Version, Body: &record.Result_Undelete{Undelete: answer}}
}

// findTrashed finds the version that was asked for, or the newest of the name; nil
// if there is none.
func (a *applier) findTrashed(q *pb.UndeleteRequest) (key []byte, t *record.Trashed) {
	lower := append(keyTrashName(q.Bucket, q.Name), 0)
	upper := keysAbove(lower)
	if v := fromPB(q.Version); !v.IsZero() {
		lower = keyTrash(q.Bucket, q.Name, v)
		upper = append(bytes.Clone(lower), 0)
	}
	a.fail(scanRowsBetween(a, lower, upper, func(k []byte, row *record.Trashed) bool {
		key, t = bytes.Clone(k), row
		return false
	}))
	return key, t
}
