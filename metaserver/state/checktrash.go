package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// checkTrash: a trashed object is whole, stands at the version that it had, below
// the one that ended it, and has exactly one row by its due time.
func checkTrash(w *world) error {
	for _, t := range w.trash {
		key := append([]byte{tableTrash}, t.key...)
		bucket, name, version, err := splitTrashKey(key)
		if err == nil {
			err = checkObjectName(bucket, name)
		}
		if err != nil {
			return broken("trash", "key %x: %v", t.key, err)
		}
		o, ended := objectOf(t.row), fromPB(t.row.Ended)
		if version.IsZero() || fromPB(o.Version) != version || !version.Less(ended) || versionOf(w.cluster).Less(ended) {
			return broken("trash", "%s/%s at %s was version %s and ended at %s", bucket, name, version, fromPB(o.Version), ended)
		}
		if err := checkContentOf(w, o); err != nil {
			return broken("trash", "%s/%s at %s %v", bucket, name, version, err)
		}
		if _, listed := get(w.trashDues, keyTrashDue(t.row.DueUnixMs, key)[1:]); !listed || t.row.DueUnixMs <= 0 {
			return broken("trash", "%s/%s at %s is due at %d and not listed there", bucket, name, version, t.row.DueUnixMs)
		}
	}
	if len(w.trash) != len(w.trashDues) {
		return broken("trash", "%d objects and %d due times", len(w.trash), len(w.trashDues))
	}
	return nil
}

// checkBuckets: a row says something, and when it was set; none went in a time to come.
func checkBuckets(w *world) error {
	if cleared := fromPB(w.cluster.BucketsCleared); versionOf(w.cluster).Less(cleared) {
		return broken("buckets", "a bucket's settings ended at %s, and the present version is %s", cleared, versionOf(w.cluster))
	}
	for _, b := range w.buckets {
		if err := checkPutBucket(&record.PutBucket{Bucket: string(b.key), TrashKeepMs: b.row.TrashKeepMs, Redundancy: b.row.Redundancy}); err != nil {
			return broken("buckets", "%s: %v", b.key, err)
		}
		version := fromPB(b.row.Version)
		if b.row.TrashKeepMs == 0 && b.row.Redundancy == 0 || version.IsZero() || versionOf(w.cluster).Less(version) {
			return broken("buckets", "%s keeps %d ms, redundancy %d, since version %s", b.key, b.row.TrashKeepMs, b.row.Redundancy, version)
		}
	}
	return nil
}

// checkContentOf: an object's content is what it says.
func checkContentOf(w *world, o *record.Object) error {
	count, size := blocksIn(o.Blocks)
	if len(o.Upload) > 0 {
		upload, ok := get(w.uploads, o.Upload)
		if !ok || !upload.Closed || count > 0 {
			return protocol.Errorf(protocol.Corrupt, "names upload %x, which is open or gone", o.Upload)
		}
		count, size = upload.BlockCount, upload.Size
	}
	if count != o.BlockCount || size+uint64(len(o.Inline)) != o.Size {
		return protocol.Errorf(protocol.Corrupt, "has %d blocks and %d bytes, its content %d and %d", o.BlockCount, o.Size, count, size)
	}
	return nil
}

// eachObject calls fn for every object that holds references: live or in the trash.
func eachObject(w *world, fn func(o *record.Object)) {
	for _, o := range w.objects {
		fn(o.row)
	}
	for _, t := range w.trash {
		fn(objectOf(t.row))
	}
}
