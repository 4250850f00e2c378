package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
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

// rowsOfEmptying: an object's two rows of the trash, and its job.
const rowsOfEmptying = 3

// emptyTrash takes objects out of the trash for good: the leader found them due,
// or an operator asked. Whether it is time was for them to judge. An object that is
// no longer there, or that is due at another time, is not the one that was judged,
// and stays. Each that goes takes a version of its own, which names its job.
func (a *applier) emptyTrash(q *record.EmptyTrash) *record.Result {
	out := &record.EmptyTrashResult{}
	for _, item := range q.Items {
		key := keyTrash(item.Bucket, item.Name, fromPB(item.Version))
		trashed := &record.Trashed{}
		if !a.room(rowsOfEmptying) || !a.load(key, trashed) || trashed.DueUnixMs != item.IfDueUnixMs {
			out.Ignored++
			continue
		}
		a.untrash(key, trashed)
		a.startJob(jobOf(objectOf(trashed)), a.next())
		out.Applied++
		out.Bytes += objectOf(trashed).Size
	}
	return &record.Result{Version: toPB(a.version()), Body: &record.Result_EmptyTrash{EmptyTrash: out}}
}
