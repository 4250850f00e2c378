package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkPutBucket(q *record.PutBucket) error {
	if err := protocol.CheckBucket(q.Bucket); err != nil {
		return err
	}
	if q.TrashKeepMs > protocol.MaxTrashKeepMs {
		return protocol.Errorf(protocol.InvalidArgument, "a bucket keeps what is deleted for at most %d ms, not %d", uint64(protocol.MaxTrashKeepMs), q.TrashKeepMs)
	}
	return checkRedundancy(q.Redundancy)
}

// putBucket replaces a bucket's settings if they still are those that the change
// was decided on. It is about objects that come, or end, from now on: what is in the
// trash keeps its due time, and what is there its redundancy. A bucket without
// settings has no row, so that names which nobody uses leave nothing behind; theirs
// are of the version at which any bucket's row last went, so that no version of a
// bucket's settings comes twice, and a late copy of a change is Changed.
func (a *applier) putBucket(q *record.PutBucket) *record.Result {
	key := keyBucket(q.Bucket)
	row := &record.Bucket{}
	exists := a.load(key, row)
	if present := settingsVersion(a.cluster, row, exists); fromPB(q.IfVersion) != present {
		return a.refuse(protocol.Changed, "the bucket's settings are at version %s, not %s", present, fromPB(q.IfVersion))
	}
	switch {
	case q.TrashKeepMs > 0 || q.Redundancy > 0:
		a.ask(q.Redundancy)
		a.store(key, &record.Bucket{TrashKeepMs: q.TrashKeepMs, Redundancy: q.Redundancy, Version: toPB(a.next())})
	case exists:
		a.cluster.BucketsCleared = toPB(a.next())
		a.delete(key)
	}
	return a.done()
}

// settingsVersion is the version of a bucket's settings, of its row or without one.
func settingsVersion(c *record.Cluster, row *record.Bucket, exists bool) protocol.Version {
	if !exists {
		return fromPB(c.BucketsCleared)
	}
	return fromPB(row.Version)
}

// Bucket answers with a bucket's settings; any bucket has some, if only the usual.
func Bucket(r Reader, q *pb.BucketGetRequest) (*pb.BucketGetAnswer, error) {
	if err := protocol.CheckBucket(q.Bucket); err != nil {
		return nil, err
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	row := &record.Bucket{}
	exists, err := load(r, keyBucket(q.Bucket), row)
	return &pb.BucketGetAnswer{
		Bucket:  &pb.BucketInfo{Bucket: q.Bucket, TrashKeepMs: row.TrashKeepMs, Redundancy: row.Redundancy, Version: toPB(settingsVersion(cluster, row, exists))},
		Version: toPB(versionOf(cluster)),
	}, err
}
