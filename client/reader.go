package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client/internal/blocks"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const (
	// maxReadRounds bounds how often one block is looked up again and read after
	// no copy gave it.
	maxReadRounds = 4
	// readPause is the first pause between two of these rounds.
	readPause = 50 * time.Millisecond
)

// Reader reads one object, or a range of it. It is not safe for concurrent use,
// except that Close may be called at any time. A Reader whose object is replaced
// meanwhile reads on as long as the blocks are there, and fails with ErrChanged
// once they are not.
type Reader struct {
	client   *Client
	bucket   string
	name     string
	options  options
	counters counters
	object   Object

	ctx    context.Context
	cancel context.CancelCauseFunc
	unlink func() bool

	// mu is held by Read while it waits; Close cancels ctx before it takes it.
	mu sync.Mutex
	// at is the next byte for the caller, limit the end of the range.
	at, limit int64
	// page holds extents to fetch, more says that another page follows, next is
	// the offset from which to ask for it.
	page []extent
	more bool
	next int64
	// line holds the fetches under way, in order; current is what is left of the
	// block that the caller is in.
	line    []*fetch
	current []byte
	whole   []byte
	err     error

	closed bool
}

// fetch is one block on its way.
type fetch struct {
	extent  extent
	charged int64
	done    chan struct{}
	plain   []byte
	err     error
}

// Get opens bucket/name for reading. Its first blocks are already on their way
// when Get returns; ctx governs the whole reading, not only this call. The
// caller must close the Reader.
func (c *Client) Get(ctx context.Context, bucket, name string, opts ...Option) (*Reader, error) {
	o, err := collect(verbGet, opts)
	if err == nil {
		err = errors.Join(protocol.CheckBucket(bucket), protocol.CheckName(name))
	}
	if err == nil && o.offset < 0 {
		err = protocol.Errorf(protocol.RangeInvalid, "a range begins at 0 or later, not at %d", o.offset)
	}
	if err != nil {
		return nil, err
	}
	r := &Reader{client: c, bucket: bucket, name: name, options: o, counters: counters{parent: &c.stats}}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Object describes what is being read.
func (r *Reader) Object() Object { return r.object }

// Offset returns where in the object the next byte lies, Remaining how many
// bytes of the range are left.
func (r *Reader) Offset() int64 { return r.at }

// Remaining returns how many bytes of the range are left.
func (r *Reader) Remaining() int64 { return r.limit - r.at }

// Stats returns what this Reader has moved so far.
func (r *Reader) Stats() Stats { return r.counters.snapshot() }

func (r *Reader) open(ctx context.Context) error {
	call, end, err := r.client.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	ans, err := r.client.lookup(call, r.ask(r.options.offset, r.options.length))
	if err != nil {
		return err
	}
	if r.object, err = objectOf(ans.GetObject()); err != nil {
		return err
	}
	r.at, r.limit = r.options.offset, r.object.Size
	if r.at >= r.limit && r.at > 0 {
		return protocol.Errorf(protocol.RangeInvalid, "the range begins at %d; the object has %d bytes", r.at, r.limit)
	}
	if r.options.length > 0 {
		r.limit = min(r.limit, r.at+r.options.length)
	}
	// From here on every page must be of this version.
	r.options.ifVersion = wireVersion(r.object.Version)
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.unlink = context.AfterFunc(r.client.life, func() {
		r.cancel(protocol.Errorf(protocol.Canceled, "the client was closed"))
	})
	if err := r.take(ans); err != nil {
		r.Close()
		return err
	}
	r.fill()
	return nil
}

// ask makes the lookup of length bytes from offset on; 0 means to the end.
func (r *Reader) ask(offset, length int64) *pb.LookupRequest {
	return &pb.LookupRequest{
		Bucket: r.bucket, Name: r.name, Level: r.options.level.wire(), IfVersion: r.options.ifVersion,
		Offset: uint64(offset), Length: uint64(length),
	}
}

// take notes the content of one answer.
func (r *Reader) take(ans *pb.LookupAnswer) error {
	if r.at == r.limit {
		return nil
	}
	if r.object.Inline {
		return r.takeInline(ans)
	}
	list, err := extents(ans)
	if err != nil {
		return err
	}
	for len(list) > 0 && list[0].offset+int64(list[0].ref.Size) <= max(r.at, r.next) {
		list = list[1:]
	}
	for n := len(list); n > 0 && list[n-1].offset >= r.limit; n-- {
		list = list[:n-1]
	}
	if len(list) == 0 || list[0].offset > max(r.at, r.next) {
		return protocol.Errorf(protocol.Internal, "a metaserver left out the block at byte %d of %s", max(r.at, r.next), protocol.Quote(r.object.Name))
	}
	last := list[len(list)-1]
	r.page, r.next = list, last.offset+int64(last.ref.Size)
	r.more = r.next < r.limit
	if r.more && !ans.GetMore() {
		return protocol.Errorf(protocol.Internal, "the blocks of %s end at byte %d of %d", protocol.Quote(r.object.Name), r.next, r.object.Size)
	}
	return nil
}

func (r *Reader) takeInline(ans *pb.LookupAnswer) error {
	content := ans.GetInline()
	if int64(len(content)) != r.object.Size {
		return protocol.Errorf(protocol.Internal, "the inline content of %s has %d bytes of %d", protocol.Quote(r.object.Name), len(content), r.object.Size)
	}
	if !r.object.Digest.IsZero() {
		if err := r.object.Digest.Verify(content); err != nil {
			return err
		}
	}
	r.counters.inline(len(content))
	r.current = content[r.at:r.limit]
	return nil
}

// fill keeps the read-ahead full. The block that the caller waits for is always
// fetched; others only while the budget has room.
func (r *Reader) fill() {
	for len(r.line) <= max(0, r.client.cfg.ReadAhead) {
		if len(r.page) == 0 {
			if !r.more || len(r.line) > 0 && r.client.cfg.ReadAhead < 0 {
				return
			}
			r.turn()
			continue
		}
		e := r.page[0]
		f := &fetch{extent: e, done: make(chan struct{})}
		if size := int64(e.ref.Size); r.client.getBudget.TryAcquire(size) {
			f.charged = size
		} else if len(r.line) > 0 {
			return
		}
		r.page = r.page[1:]
		r.line = append(r.line, f)
		r.start(f)
	}
}

// turn looks up the next page. A failure becomes the outcome of the block that
// would have come next.
func (r *Reader) turn() {
	ctx, end, err := r.client.begin(r.ctx)
	if err == nil {
		defer end()
		var ans *pb.LookupAnswer
		if ans, err = r.client.lookup(ctx, r.ask(r.next, r.limit-r.next)); err == nil {
			err = r.take(ans)
		}
	}
	if err != nil {
		r.more = false
		f := &fetch{done: make(chan struct{}), err: err}
		close(f.done)
		r.line = append(r.line, f)
	}
}

// lookup asks for one page of an object.
func (c *Client) lookup(ctx context.Context, q *pb.LookupRequest) (*pb.LookupAnswer, error) {
	if q.GetLevel() == pb.Level_LEVEL_SESSION {
		q.MinVersion = wireVersion(c.meta.Seen())
	}
	var ans pb.LookupAnswer
	if err := c.meta.Read(ctx, protocol.PathLookup, q, &ans); err != nil {
		return nil, err
	}
	if ans.GetObject() == nil {
		return nil, protocol.Errorf(protocol.Internal, "a metaserver found %s and did not describe it", protocol.Quote(q.GetName()))
	}
	return &ans, nil
}

// extent is one block of an object, with where it begins in it.
type extent struct {
	offset int64
	ref    blocks.Ref
}

// extents reads the blocks of a page, and checks their sizes and copies: what
// is sent here decides how much memory is taken.
func extents(ans *pb.LookupAnswer) ([]extent, error) {
	b := ans.GetBlocks()
	n := len(b.GetPlainSizes())
	if len(b.GetHashes()) != n*protocol.HashSize || n > protocol.MaxBlocksPerPage {
		return nil, protocol.Errorf(protocol.Internal, "a page of blocks has %d bytes of hashes and %d sizes", len(b.GetHashes()), n)
	}
	list := make([]extent, n)
	offset := int64(ans.GetFirstOffset())
	for i := range list {
		size := b.GetPlainSizes()[i]
		if size == 0 || size > protocol.MaxBlockSize {
			return nil, protocol.Errorf(protocol.Internal, "block %d of a page has %d bytes", i, size)
		}
		list[i] = extent{offset: offset, ref: blocks.Ref{Hash: protocol.Hash(b.GetHashes()[i*protocol.HashSize:]), Size: int(size)}}
		offset += int64(size)
	}
	for _, c := range ans.GetCopies() {
		if int(c.GetBlock()) >= n {
			return nil, protocol.Errorf(protocol.Internal, "a copy speaks of block %d of %d", c.GetBlock(), n)
		}
		ref := &list[c.GetBlock()].ref
		ref.Copies = append(ref.Copies, blocks.Copy{Node: protocol.NodeID(c.GetNode()), Trusted: c.GetTrusted()})
	}
	return list, nil
}
