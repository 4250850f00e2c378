package state

import (
	"bytes"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkTrashList(q *pb.TrashListRequest) error {
	return checkList(&pb.ListRequest{Bucket: q.Bucket, Prefix: q.Prefix, After: q.After})
}

// TrashList answers with one page of trashed objects, by name, the newest of one
// name first. Without a bucket it lists the buckets that have some, as prefixes. A
// limit of zero or above protocol.MaxListPage is that page.
func TrashList(r Reader, q *pb.TrashListRequest) (*pb.TrashListAnswer, error) {
	if err := checkTrashList(q); err != nil {
		return nil, err
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	limit := int(q.Limit)
	if q.Limit == 0 || q.Limit > protocol.MaxListPage {
		limit = protocol.MaxListPage
	}
	answer := &pb.TrashListAnswer{Version: toPB(versionOf(cluster))}
	if q.Bucket == "" {
		return answer, trashBuckets(r, q, limit, answer)
	}
	return answer, trashObjects(r, q, limit, answer)
}

// trashObjects scans from behind the version where the page before ended.
func trashObjects(r Reader, q *pb.TrashListRequest, limit int, answer *pb.TrashListAnswer) error {
	lower := keyTrashName(q.Bucket, q.Prefix)
	upper := keysAbove(lower)
	if q.After != "" {
		if after := append(keyTrash(q.Bucket, q.After, fromPB(q.AfterVersion)), 0); bytes.Compare(after, lower) > 0 {
			lower = after
		}
	}
	if bytes.Compare(lower, upper) >= 0 {
		return nil
	}
	var failed error
	err := scanRowsBetween(r, lower, upper, func(key []byte, t *record.Trashed) bool {
		if n := len(answer.Objects); n == limit {
			last := answer.Objects[n-1].Object
			answer.Next, answer.NextVersion = last.Name, last.Version
			return false
		}
		var name string
		_, name, _, failed = splitTrashKey(key)
		answer.Objects = append(answer.Objects, &pb.TrashedObject{
			Object: objectInfo(q.Bucket, name, objectOf(t)), Cause: t.Cause, DeletedUnixMs: t.DeletedUnixMs, DueUnixMs: t.DueUnixMs,
		})
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	return err
}

// trashBuckets hops from bucket to bucket: one seek each.
func trashBuckets(r Reader, q *pb.TrashListRequest, limit int, answer *pb.TrashListAnswer) error {
	lower := keyID(tableTrash, []byte(q.Prefix))
	upper := keysAbove(lower)
	if q.After >= q.Prefix && q.After != "" {
		lower = keysAbove(keyTrashName(q.After, ""))
	}
	for bytes.Compare(lower, upper) < 0 {
		bucket := ""
		var failed error
		err := r.Scan(lower, upper, func(key, _ []byte) bool {
			bucket, _, _, failed = splitTrashKey(key)
			return false
		})
		if err == nil {
			err = failed
		}
		if err != nil || bucket == "" {
			return err
		}
		if n := len(answer.Prefixes); n == limit {
			answer.Next = answer.Prefixes[n-1]
			return nil
		}
		answer.Prefixes = append(answer.Prefixes, bucket)
		lower = keysAbove(keyTrashName(bucket, ""))
	}
	return nil
}
