package client

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Bucket is a bucket's settings.
type Bucket struct {
	Name string
	// TrashKeep is how long deleted and overwritten objects are kept; 0: not at
	// all. It is in milliseconds, at most protocol.MaxTrashKeepMs of them.
	TrashKeep time.Duration
	// Redundancy is the number of copies of each block of the objects that come; 0:
	// as many as the cluster makes.
	Redundancy int
	// Version is of the log entry that made the settings. That of the usual ones,
	// which every bucket has at first, is of the entry that last set any bucket's
	// back to them; zero if none has.
	Version Version
}

// BucketChange says what SetBucket is to change; what is nil stays as it is.
type BucketChange struct {
	// TrashKeep is how long objects that are deleted or overwritten from now on are
	// kept, rounded up to milliseconds; 0 ends that. What is in the trash already
	// stays as long as it was to stay.
	TrashKeep *time.Duration
	// Redundancy is the number of copies of each block of the objects that are put
	// from now on, 1 to protocol.MaxRedundancy; 0: as many as the cluster makes. An
	// object keeps what it was put with. A block of several objects has as many
	// copies as the most demanding of them wants, and no block has more than there
	// are nodes. A commit waits for as many as the cluster's quorum at most.
	Redundancy *int
}

// wire checks ch and lists it for the metaservers.
func (ch BucketChange) wire(bucket string) (*pb.BucketSetRequest, error) {
	if err := protocol.CheckBucket(bucket); err != nil {
		return nil, err
	}
	q := &pb.BucketSetRequest{Bucket: bucket}
	if ch.TrashKeep == nil && ch.Redundancy == nil {
		return nil, protocol.Errorf(protocol.InvalidArgument, "nothing of bucket %s is to change", bucket)
	}
	if keep := ch.TrashKeep; keep != nil {
		if *keep < 0 {
			return nil, protocol.Errorf(protocol.InvalidArgument, "a bucket keeps nothing for %v", *keep)
		}
		ms := uint64(*keep / time.Millisecond)
		if *keep%time.Millisecond > 0 {
			ms++
		}
		q.TrashKeepMs = &ms
	}
	if r := ch.Redundancy; r != nil {
		if *r < 0 || *r > protocol.MaxRedundancy {
			return nil, protocol.Errorf(protocol.InvalidArgument, "a bucket has 1 to %d copies, or 0 for as many as the cluster makes, not %d", protocol.MaxRedundancy, *r)
		}
		q.Redundancy = new(uint32(*r))
	}
	return q, nil
}

// DeletedObject is one line of a listing of the trash: an object as it was, or a
// bucket that has some.
type DeletedObject struct {
	Object
	// Cause is "deleted", "overwritten" or "prefix", for a delete of a whole prefix.
	Cause string `json:"cause"`
	// Deleted is when it ended by the wall clock of a metaserver, and Due when the
	// leader is to take it out of the trash for good.
	Deleted time.Time `json:"deleted"`
	Due     time.Time `json:"due"`
	// Prefix is not empty for a bucket; the rest is then zero.
	Prefix string `json:"prefix,omitempty"`
}

// Undeleted tells what Undelete did.
type Undeleted struct {
	// Version is the object's new version, Was the one that it had in the trash.
	Version, Was Version
	// Replaced is the version of the live object that was replaced; zero if there
	// was none.
	Replaced Version
}

// Emptied tells what EmptyTrash took out of the trash.
type Emptied struct {
	Objects int64
	// Bytes sums the sizes of the objects.
	Bytes int64
}

// Bucket returns the settings of a bucket. There need not be any object in it.
func (c *Client) Bucket(ctx context.Context, bucket string, opts ...Option) (Bucket, error) {
	o, err := collect(verbBucket, opts)
	if err == nil {
		err = protocol.CheckBucket(bucket)
	}
	if err != nil {
		return Bucket{}, err
	}
	q := &pb.BucketGetRequest{Bucket: bucket, Level: o.level.wire()}
	if o.level == Session {
		q.MinVersion = wireVersion(c.meta.Seen())
	}
	var ans pb.BucketGetAnswer
	err = c.Ask(ctx, protocol.PathBucketGet, q, &ans)
	return bucketOf(ans.GetBucket()), err
}

// SetBucket changes the settings of a bucket, for what happens in it from now on,
// and returns all of them. With IfVersion it is ErrChanged unless the settings are
// of that version; a try of before whose answer was lost may be what changed them.
func (c *Client) SetBucket(ctx context.Context, bucket string, change BucketChange, opts ...Option) (Bucket, error) {
	o, err := collect(verbSetBucket, opts)
	if err != nil {
		return Bucket{}, err
	}
	q, err := change.wire(bucket)
	if err != nil {
		return Bucket{}, err
	}
	q.IfVersion = o.ifVersion
	var ans pb.BucketSetAnswer
	err = c.Ask(ctx, protocol.PathBucketSet, q, &ans)
	c.fleet.Forget(bucket)
	return bucketOf(ans.GetBucket()), err
}

func bucketOf(b *pb.BucketInfo) Bucket {
	return Bucket{
		Name: b.GetBucket(), TrashKeep: time.Duration(b.GetTrashKeepMs()) * time.Millisecond,
		Redundancy: int(b.GetRedundancy()), Version: versionOf(b.GetVersion()),
	}
}

// Undelete makes an object that is in the trash the live one of its name again, at a
// new version: the newest in the trash, or that of Trashed. It is ErrNotFound if
// there is none, and ErrPreconditionFailed if an object of that name lives, unless
// Replacing or IfVersion allows for it.
func (c *Client) Undelete(ctx context.Context, bucket, name string, opts ...Option) (Undeleted, error) {
	o, err := collect(verbUndelete, opts)
	if err == nil {
		err = errors.Join(protocol.CheckBucket(bucket), protocol.CheckName(name))
	}
	if err != nil {
		return Undeleted{}, err
	}
	precondition := o.precondition
	if precondition == nil && o.replace {
		precondition = &pb.Precondition{}
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Undeleted{}, err
	}
	defer end()
	var ans pb.UndeleteAnswer
	err = c.meta.Mutate(ctx, nil, protocol.PathUndelete, func(call *pb.Call) rpc.Message {
		return &pb.UndeleteRequest{Call: call, Bucket: bucket, Name: name, Version: o.trashed, Precondition: precondition}
	}, &ans)
	return Undeleted{versionOf(ans.GetVersion()), versionOf(ans.GetUndeleted()), versionOf(ans.GetReplacedVersion())}, err
}

// ListDeleted gives what is in the trash of bucket, by name, and of one name the
// newest first. With an empty bucket it gives the buckets that have some as
// prefixes. An error ends it and comes with a zero DeletedObject.
func (c *Client) ListDeleted(ctx context.Context, bucket string, opts ...Option) iter.Seq2[DeletedObject, error] {
	return func(yield func(DeletedObject, error) bool) {
		q, err := trashListRequest(verbListDeleted, bucket, opts)
		for err == nil {
			if q.GetLevel() == pb.Level_LEVEL_SESSION {
				q.MinVersion = wireVersion(c.meta.Seen())
			}
			var ans pb.TrashListAnswer
			if err = c.Ask(ctx, protocol.PathTrashList, q, &ans); err != nil {
				break
			}
			for _, p := range ans.GetPrefixes() {
				if !yield(DeletedObject{Prefix: p}, nil) {
					return
				}
			}
			for _, t := range ans.GetObjects() {
				d, broken := deletedOf(t)
				if broken != nil {
					yield(DeletedObject{}, broken)
					return
				}
				if !yield(d, nil) {
					return
				}
			}
			if ans.GetNext() == "" {
				return
			}
			err = forward(&q.After, &q.AfterVersion, ans.GetNext(), ans.GetNextVersion())
		}
		yield(DeletedObject{}, err)
	}
}

func trashListRequest(v verb, bucket string, opts []Option) (*pb.TrashListRequest, error) {
	o, err := collect(v, opts)
	if err == nil && bucket != "" {
		err = protocol.CheckBucket(bucket)
	}
	if err == nil {
		err = protocol.CheckPrefix(o.prefix)
	}
	limit := o.pageSize
	if limit <= 0 || limit > protocol.MaxListPage {
		limit = protocol.MaxListPage
	}
	return &pb.TrashListRequest{Bucket: bucket, Prefix: o.prefix, Limit: uint32(limit), Level: o.level.wire()}, err
}

// forward moves a cursor of the trash, which goes by name and, of one name, back in
// versions; one that does not get on is an error.
func forward(after *string, version **pb.Version, next string, nextVersion *pb.Version) error {
	if next < *after || next == *after && !versionOf(nextVersion).Less(versionOf(*version)) {
		return protocol.Errorf(protocol.Internal, "a listing of the trash went back from %s to %s", protocol.Quote(*after), protocol.Quote(next))
	}
	*after, *version = next, nextVersion
	return nil
}

func deletedOf(t *pb.TrashedObject) (DeletedObject, error) {
	o, err := objectOf(t.GetObject())
	return DeletedObject{
		Object: o, Cause: strings.ToLower(strings.TrimPrefix(t.GetCause().String(), "TRASH_CAUSE_")),
		Deleted: time.UnixMilli(t.GetDeletedUnixMs()), Due: time.UnixMilli(t.GetDueUnixMs()),
	}, err
}

// EmptyTrash takes what is in the trash of bucket out of it for good, due or not;
// with WithPrefix only names that begin so. It goes through the names once: what
// comes into the trash behind it stays. With an error, what it tells was emptied.
func (c *Client) EmptyTrash(ctx context.Context, bucket string, opts ...Option) (Emptied, error) {
	var out Emptied
	list, err := trashListRequest(verbEmptyTrash, bucket, opts)
	if err == nil {
		err = protocol.CheckBucket(bucket)
	}
	q := &pb.TrashEmptyRequest{Bucket: bucket, Prefix: list.GetPrefix()}
	for err == nil {
		var ans pb.TrashEmptyAnswer
		if err = c.Ask(ctx, protocol.PathTrashEmpty, q, &ans); err != nil {
			break
		}
		out.Objects += int64(ans.GetEmptied())
		out.Bytes += int64(ans.GetBytes())
		if ans.GetNext() == "" {
			return out, nil
		}
		err = forward(&q.After, &q.AfterVersion, ans.GetNext(), ans.GetNextVersion())
	}
	return out, err
}
