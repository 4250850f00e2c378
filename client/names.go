package client

import (
	"context"
	"errors"
	"iter"
	"math"
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

// PrefixJob is a delete of a prefix, which goes on in the background.
type PrefixJob struct {
	ID     Version `json:"id"`
	Bucket string  `json:"bucket"`
	Prefix string  `json:"prefix"`
	// State is "running", "done" or "canceled".
	State string `json:"state"`
	// Cursor is the last name looked at.
	Cursor string `json:"cursor"`
	// Objects counts those that ended, Bytes their sizes, References what their
	// blocks were referred to, Kept names that were written after the delete began.
	Objects    uint64 `json:"objects"`
	Bytes      uint64 `json:"bytes"`
	References uint64 `json:"references"`
	Kept       uint64 `json:"kept"`
	// Request is the id of the request that began it.
	Request       string `json:"request"`
	StartedUnixMs int64  `json:"started_unix_ms"`
	EndedUnixMs   int64  `json:"ended_unix_ms,omitempty"`
}

// DeletePrefix begins to delete every object of bucket whose name begins with
// prefix and that was written before; an empty prefix means all of them. It
// returns at once, and the delete goes on in the background; WaitPrefix waits for
// its end. It is ErrNotFound if there is no such object, and ErrLimitExceeded if
// protocol.MaxPrefixJobs run already.
func (c *Client) DeletePrefix(ctx context.Context, bucket, prefix string) (Version, error) {
	if err := errors.Join(protocol.CheckBucket(bucket), protocol.CheckPrefix(prefix)); err != nil {
		return Version{}, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Version{}, err
	}
	defer end()
	var ans pb.DeletePrefixAnswer
	err = c.meta.Mutate(ctx, nil, protocol.PathPrefixDelete, func(call *pb.Call) rpc.Message {
		return &pb.DeletePrefixRequest{Call: call, Bucket: bucket, Prefix: prefix}
	}, &ans)
	return versionOf(ans.GetJob()), err
}

// PrefixJobs lists the deletes of prefixes that run, oldest first; with ended,
// also those that ended lately.
func (c *Client) PrefixJobs(ctx context.Context, ended bool) ([]PrefixJob, error) {
	return c.prefixJobs(ctx, &pb.PrefixListRequest{Ended: ended})
}

func (c *Client) prefixJobs(ctx context.Context, q *pb.PrefixListRequest) ([]PrefixJob, error) {
	var ans pb.PrefixListAnswer
	if err := c.Ask(ctx, protocol.PathPrefixList, q, &ans); err != nil {
		return nil, err
	}
	var out []PrefixJob
	for _, j := range ans.GetJobs() {
		out = append(out, PrefixJob{
			ID: versionOf(j.GetJob()), Bucket: j.GetBucket(), Prefix: j.GetPrefix(), State: j.GetState(), Cursor: j.GetCursor(),
			Objects: j.GetObjects(), Bytes: j.GetBytes(), References: j.GetReferences(), Kept: j.GetKept(),
			Request: j.GetRequest(), StartedUnixMs: j.GetStartedUnixMs(), EndedUnixMs: j.GetEndedUnixMs(),
		})
	}
	return out, nil
}

// WaitPrefix waits until a delete of a prefix has ended, tells progress, which may
// be nil, how far it has come now and then, and returns what it came to. It is
// ErrNotFound if no delete of that id is listed any more.
func (c *Client) WaitPrefix(ctx context.Context, id Version, progress func(PrefixJob)) (PrefixJob, error) {
	for pause := minPrefixPause; ; pause = min(2*pause, maxPrefixPause) {
		jobs, err := c.prefixJobs(ctx, &pb.PrefixListRequest{Job: wireVersion(id)})
		if err != nil {
			return PrefixJob{}, err
		}
		if len(jobs) == 0 {
			return PrefixJob{}, protocol.Errorf(protocol.NotFound, "no delete of a prefix %s is listed", id)
		}
		if progress != nil {
			progress(jobs[0])
		}
		if jobs[0].State != "running" {
			return jobs[0], nil
		}
		select {
		case <-ctx.Done():
			return jobs[0], protocol.Errorf(protocol.Canceled, "the delete of a prefix goes on: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// minPrefixPause and maxPrefixPause lie between two looks of WaitPrefix.
const (
	minPrefixPause = 10 * time.Millisecond
	maxPrefixPause = 500 * time.Millisecond
)

// CancelPrefix stops a delete of a prefix; what has ended stays ended. It is
// ErrPreconditionFailed if it was done already.
func (c *Client) CancelPrefix(ctx context.Context, id Version) error {
	return c.Ask(ctx, protocol.PathPrefixCancel, &pb.PrefixCancelRequest{Job: wireVersion(id)}, &pb.PrefixCancelAnswer{})
}

// AuditFilter says which rows of the audit are asked for; zero fields say nothing.
type AuditFilter struct {
	// Hash is a block that the row is about.
	Hash Hash
	// Bucket and Name are of an object that ended. Name needs Bucket.
	Bucket, Name string
	Kinds        []pb.AuditKind
	// Since is the least version.
	Since Version
}

// Audit gives what was taken away, by whom and why, oldest first, as the wire
// carries it: pages as they are needed. An error ends it and comes with nil. Only
// a bounded number of rows is kept (protocol.MaxAuditRows, MaxAuditBytes).
func (c *Client) Audit(ctx context.Context, f AuditFilter) iter.Seq2[*pb.AuditRow, error] {
	return func(yield func(*pb.AuditRow, error) bool) {
		q := &pb.AuditRequest{Bucket: f.Bucket, Name: f.Name, Kinds: f.Kinds}
		if !f.Hash.IsZero() {
			q.Hash = f.Hash[:]
		}
		if !f.Since.IsZero() {
			before := f.Since
			if before.Counter > 0 {
				before.Counter--
			}
			q.After, q.AfterSequence = wireVersion(before), math.MaxUint32
		}
		for {
			ans := &pb.AuditAnswer{}
			if err := c.Ask(ctx, protocol.PathAudit, q, ans); err != nil {
				yield(nil, err)
				return
			}
			for _, row := range ans.GetRows() {
				if !yield(row, nil) {
					return
				}
			}
			if !ans.GetMore() {
				return
			}
			q.After, q.AfterSequence = ans.GetNext(), ans.GetNextSequence()
		}
	}
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
