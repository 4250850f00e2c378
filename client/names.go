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

// Stat describes bucket/name.
func (c *Client) Stat(ctx context.Context, bucket, name string, opts ...Option) (Object, error) {
	o, err := collect(verbStat, opts)
	if err == nil {
		err = errors.Join(protocol.CheckBucket(bucket), protocol.CheckName(name))
	}
	if err != nil {
		return Object{}, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Object{}, err
	}
	defer end()
	ans, err := c.lookup(ctx, &pb.LookupRequest{Bucket: bucket, Name: name, Level: o.level.wire(), IfVersion: o.ifVersion, StatOnly: true})
	if err != nil {
		return Object{}, err
	}
	return objectOf(ans.GetObject())
}

// List gives the objects of bucket in the order of their names, pages as they
// are needed. With an empty bucket it gives the buckets as prefixes. An error
// ends it and comes with a zero Entry. Each page is as fresh as WithLevel says
// at the moment it is asked for.
func (c *Client) List(ctx context.Context, bucket string, opts ...Option) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		q, err := listRequest(bucket, opts)
		// last is where the page before ended. The first one may end before the place
		// to start after: with the prefix that this place lies in.
		last := ""
		for err == nil {
			var ans *pb.ListAnswer
			if ans, err = c.listPage(ctx, q); err != nil {
				break
			}
			var entries []Entry
			if entries, err = merge(ans); err != nil {
				break
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
			if ans.GetNext() == "" {
				return
			}
			if ans.GetNext() <= last {
				err = protocol.Errorf(protocol.Internal, "a listing went back from %s to %s", protocol.Quote(last), protocol.Quote(ans.GetNext()))
				break
			}
			last = ans.GetNext()
			q.After = last
		}
		yield(Entry{}, err)
	}
}

func listRequest(bucket string, opts []Option) (*pb.ListRequest, error) {
	o, err := collect(verbList, opts)
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
	return &pb.ListRequest{
		Bucket: bucket, Prefix: o.prefix, Delimiter: o.delimiter, After: o.startAfter,
		Limit: uint32(limit), Level: o.level.wire(),
	}, err
}

func (c *Client) listPage(ctx context.Context, q *pb.ListRequest) (*pb.ListAnswer, error) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if q.GetLevel() == pb.Level_LEVEL_SESSION {
		q.MinVersion = wireVersion(c.meta.Seen())
	}
	var ans pb.ListAnswer
	return &ans, c.meta.Read(ctx, protocol.PathList, q, &ans)
}

// merge puts a page's objects and prefixes into one order.
func merge(ans *pb.ListAnswer) ([]Entry, error) {
	out := make([]Entry, 0, len(ans.GetObjects())+len(ans.GetPrefixes()))
	prefixes := ans.GetPrefixes()
	for _, i := range ans.GetObjects() {
		for len(prefixes) > 0 && strings.Compare(prefixes[0], i.GetName()) < 0 {
			out = append(out, Entry{Prefix: prefixes[0]})
			prefixes = prefixes[1:]
		}
		o, err := objectOf(i)
		if err != nil {
			return nil, err
		}
		out = append(out, Entry{Object: o})
	}
	for _, p := range prefixes {
		out = append(out, Entry{Prefix: p})
	}
	return out, nil
}

// Delete removes bucket/name; in a bucket with trash it can be undeleted for a
// while. It is ErrNotFound if there is no such object.
func (c *Client) Delete(ctx context.Context, bucket, name string, opts ...Option) error {
	o, err := collect(verbDelete, opts)
	if err == nil {
		err = errors.Join(protocol.CheckBucket(bucket), protocol.CheckName(name))
	}
	if err != nil {
		return err
	}
	outcomes, err := c.deleteItems(ctx, bucket, []*pb.DeleteItem{{Name: name, Precondition: o.precondition}}, o.due)
	if err != nil {
		return err
	}
	return outcomes[0]
}

// DeleteBatch removes names from bucket, up to protocol.MaxDeleteBatch in one
// step and more in several. outcomes[i] tells of names[i]: nil, or ErrNotFound.
// With an err, names without an outcome may or may not be gone.
func (c *Client) DeleteBatch(ctx context.Context, bucket string, names []string, opts ...Option) (outcomes []error, err error) {
	o, err := collect(verbDelete, opts)
	if err == nil && o.precondition != nil {
		err = protocol.Errorf(protocol.InvalidArgument, "IfVersion is about one object, not a batch")
	}
	if err == nil {
		err = protocol.CheckBucket(bucket)
	}
	if err != nil {
		return nil, err
	}
	items := make([]*pb.DeleteItem, len(names))
	for i, n := range names {
		if err := protocol.CheckName(n); err != nil {
			return nil, err
		}
		items[i] = &pb.DeleteItem{Name: n}
	}
	for len(items) > 0 {
		n := min(len(items), protocol.MaxDeleteBatch)
		done, err := c.deleteItems(ctx, bucket, items[:n], o.due)
		if err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, done...)
		items = items[n:]
	}
	return outcomes, nil
}

// deleteItems deletes up to a batch; due may be nil.
func (c *Client) deleteItems(ctx context.Context, bucket string, items []*pb.DeleteItem, due *time.Time) ([]error, error) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var ans pb.DeleteAnswer
	err = c.meta.Mutate(ctx, nil, protocol.PathDelete, func(call *pb.Call) rpc.Message {
		return &pb.DeleteRequest{Call: call, Bucket: bucket, Items: items}
	}, &ans)
	if err != nil {
		return nil, err
	}
	if len(ans.GetKinds()) != len(items) {
		return nil, protocol.Errorf(protocol.Internal, "a metaserver told %d outcomes of %d deletions", len(ans.GetKinds()), len(items))
	}
	if due != nil && ans.GetTrashDueUnixMs() != 0 {
		*due = timeOf(ans.GetTrashDueUnixMs())
	}
	outcomes := make([]error, len(items))
	for i, k := range ans.GetKinds() {
		if k != 0 {
			outcomes[i] = protocol.Errorf(protocol.Kind(k), "%s/%s was not deleted", bucket, protocol.Quote(items[i].GetName()))
		}
	}
	return outcomes, nil
}
