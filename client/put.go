package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/client/internal/blocks"
	"github.com/seed-7d21a5b5/ashlar/client/internal/cut"
	"github.com/seed-7d21a5b5/ashlar/client/internal/meta"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Put stores everything that r gives as bucket/name, replacing what is there
// unless IfAbsent or IfVersion say otherwise, and returns the object as
// committed. r is read once, in order, and not after Put has returned; if it is
// an io.ReaderAt and io.Seeker besides, such as a file, blocks may be read again
// should their copies be lost while Put runs. An error of r is returned wrapped.
// With any error but ErrUnknownOutcome the object is as it was.
func (c *Client) Put(ctx context.Context, bucket, name string, r io.Reader, opts ...Option) (Object, error) {
	o, err := collect(verbPut, opts)
	if err == nil {
		err = checkPut(bucket, name, &o)
	}
	if err != nil {
		return Object{}, err
	}
	if o.blockSize == 0 {
		o.blockSize = c.cfg.BlockSize
	}
	if err := checkBlockSize(o.blockSize); err != nil {
		return Object{}, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Object{}, err
	}
	defer end()
	uploaded := sync.OnceFunc(c.meta.Uploading())
	defer uploaded()
	p := &put{client: c, uploaded: uploaded, options: o, source: newSource(r), counters: counters{parent: &c.stats}}
	p.request = pb.CommitRequest{
		Bucket: bucket, Name: name, Precondition: o.precondition,
		ContentType: o.contentType, UserMetadata: o.metadata,
	}
	obj, err := p.run(ctx, r)
	if o.stats != nil {
		*o.stats = p.counters.snapshot()
	}
	return obj, err
}

func checkPut(bucket, name string, o *options) error {
	if err := errors.Join(protocol.CheckBucket(bucket), protocol.CheckName(name), protocol.CheckContentType(o.contentType)); err != nil {
		return err
	}
	sum := 0
	for _, m := range o.metadata {
		if err := protocol.CheckUserMetadata(m.GetKey(), m.GetValue()); err != nil {
			return err
		}
		sum += len(m.GetKey()) + len(m.GetValue())
	}
	if sum > protocol.MaxUserMetadata {
		return protocol.Errorf(protocol.TooLarge, "user metadata has at most %d bytes; this has %d", protocol.MaxUserMetadata, sum)
	}
	return nil
}

// put is one Put under way.
type put struct {
	// uploaded ends what meta.Uploading began.
	uploaded func()
	client   *Client
	options  options
	source   *source
	counters counters
	request  pb.CommitRequest
	// session is what an upload of several pages lives under, else nil.
	session *meta.Session
	// only is the parcel of an object of one block, kept until it is committed.
	only *blocks.Parcel
	// digest is of the whole stream, where there is more than one block.
	digest *protocol.Hasher

	mu   sync.Mutex
	done int64
}

// run takes the shortest way that r's length allows: inline, one block, or a
// stream of blocks.
func (p *put) run(ctx context.Context, r io.Reader) (Object, error) {
	head := make([]byte, protocol.MaxInlineSize+1)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return p.inline(ctx, head)
	case err != nil:
		return Object{}, fmt.Errorf("reading the source: %w", err)
	}
	k, err := cut.New(cut.Config{
		Source: io.MultiReader(bytes.NewReader(head), r), Size: p.options.blockSize, ByContent: p.options.cutByContent,
		Budget: p.client.putBudget, Pool: p.client.buffers,
	})
	if err != nil {
		return Object{}, err
	}
	first, err := k.Next(ctx)
	if err != nil {
		return Object{}, err
	}
	more, err := k.More()
	if err != nil {
		p.client.drop(first)
		return Object{}, err
	}
	if !more {
		return p.single(ctx, first)
	}
	p.digest = protocol.NewHasher()
	return p.stream(ctx, k, first)
}

func (p *put) inline(ctx context.Context, content []byte) (Object, error) {
	p.request.Inline = content
	p.request.Size = uint64(len(content))
	digest := protocol.HashOf(content)
	p.request.Digest = digest[:]
	p.counters.inline(len(content))
	p.progress(len(content))
	return p.commit(ctx, nil)
}

func (p *put) single(ctx context.Context, first *cut.Piece) (Object, error) {
	pg := newPage()
	b := pg.add(first)
	defer func() {
		if p.only != nil {
			p.only.Release()
		}
	}()
	p.carry(ctx, pg, b, first, true)
	if b.err != nil {
		return Object{}, b.err
	}
	p.request.Size = uint64(b.size)
	p.request.Digest = b.hash[:]
	return p.commit(ctx, pg)
}

// commit sends the one request that makes the object exist. pg is nil for
// inline contents and for uploads.
func (p *put) commit(ctx context.Context, pg *page) (Object, error) {
	var ans pb.CommitAnswer
	send := func() error {
		err := p.client.meta.Mutate(ctx, p.session, protocol.PathCommit, func(call *pb.Call) rpc.Message {
			p.request.Call = call
			if pg != nil {
				p.request.Blocks, p.request.Claims = pg.wire()
			}
			return &p.request
		}, &ans)
		if err == nil {
			p.uploaded()
		}
		return err
	}
	if err := p.settle(ctx, pg, send); err != nil {
		return Object{}, err
	}
	return p.object(&ans)
}

func (p *put) object(ans *pb.CommitAnswer) (Object, error) {
	digest, err := protocol.HashFromBytes(p.request.GetDigest())
	o := Object{
		Bucket: p.request.GetBucket(), Name: p.request.GetName(), Version: versionOf(ans.GetVersion()),
		Size: int64(p.request.GetSize()), ContentType: p.request.GetContentType(), Digest: digest,
		Inline: p.request.GetSize() <= protocol.MaxInlineSize,
	}
	for _, m := range p.request.GetUserMetadata() {
		if o.UserMetadata == nil {
			o.UserMetadata = map[string]string{}
		}
		o.UserMetadata[m.GetKey()] = m.GetValue()
	}
	return o, err
}

func (p *put) progress(n int) {
	if p.options.progress == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += int64(n)
	p.options.progress(p.done)
}

// source is r where it can be read again, by offset.
type source struct {
	at   io.ReaderAt
	base int64
}

func newSource(r io.Reader) *source {
	at, canRead := r.(io.ReaderAt)
	seeker, canSeek := r.(io.Seeker)
	if !canRead || !canSeek {
		return &source{}
	}
	base, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return &source{}
	}
	return &source{at: at, base: base}
}

// again reads len(buf) bytes of the object from offset on, and reports whether
// that was possible.
func (s *source) again(buf []byte, offset int64) bool {
	if s.at == nil {
		return false
	}
	n, err := s.at.ReadAt(buf, s.base+offset)
	return n == len(buf) && (err == nil || errors.Is(err, io.EOF))
}

// Renew has an object ask for as many copies of its blocks as its bucket says by
// now (SetBucket): it is put again as it is, at a new version, and what it was
// ends like anything that is overwritten. Blocks with enough copies are neither
// read nor sent. An object that asks for that already, or that has no block, stays
// as it is and is returned. It is ErrPreconditionFailed if the object is replaced
// or deleted meanwhile.
func (c *Client) Renew(ctx context.Context, bucket, name string) (Object, error) {
	settings, err := c.Bucket(ctx, bucket)
	if err != nil {
		return Object{}, err
	}
	if err := protocol.CheckName(name); err != nil {
		return Object{}, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Object{}, err
	}
	defer end()
	ans, err := c.lookup(ctx, &pb.LookupRequest{Bucket: bucket, Name: name})
	if err != nil {
		return Object{}, err
	}
	return c.renewFound(ctx, ans, settings.Redundancy)
}

// renewFound renews the object that a lookup has found.
func (c *Client) renewFound(ctx context.Context, ans *pb.LookupAnswer, redundancy int) (Object, error) {
	o, err := objectOf(ans.GetObject())
	if err != nil || o.Inline || o.Redundancy == redundancy {
		return o, err
	}
	uploaded := sync.OnceFunc(c.meta.Uploading())
	defer uploaded()
	p := &put{client: c, uploaded: uploaded, counters: counters{parent: &c.stats}, source: &source{at: &present{ctx, c, o}}}
	q := &pb.LookupRequest{Bucket: o.Bucket, Name: o.Name, IfVersion: ans.GetObject().GetVersion()}
	p.request = pb.CommitRequest{
		Bucket: o.Bucket, Name: o.Name, Precondition: &pb.Precondition{Kind: pb.Precondition_IF_VERSION, Version: q.IfVersion},
		ContentType: o.ContentType, UserMetadata: ans.GetObject().GetUserMetadata(), Digest: o.Digest[:], Size: uint64(o.Size),
	}
	renewed, err := p.renew(ctx, q, ans)
	if err != nil {
		return Object{}, c.overtaken(ctx, q, err)
	}
	renewed.Redundancy = redundancy
	return renewed, nil
}

// overtaken is why an object was not renewed: err, unless the object has ended
// meanwhile, so that its pages could not be looked up or its blocks are gone. Only
// the object itself tells: an upload that is gone fails in the same words.
func (c *Client) overtaken(ctx context.Context, q *pb.LookupRequest, err error) error {
	switch protocol.KindOf(err) {
	case protocol.Changed, protocol.NotFound, protocol.ClaimsRefused:
	default:
		return err
	}
	_, now := c.lookup(ctx, &pb.LookupRequest{Bucket: q.GetBucket(), Name: q.GetName(), IfVersion: q.GetIfVersion(), StatOnly: true})
	if k := protocol.KindOf(now); now == nil || k != protocol.Changed && k != protocol.NotFound {
		return err
	}
	return protocol.Errorf(protocol.PreconditionFailed, "the object was replaced or deleted while it was renewed: %w", now)
}

// renew puts the pages that lookups answer, of which ans is the first.
func (p *put) renew(ctx context.Context, q *pb.LookupRequest, ans *pb.LookupAnswer) (Object, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	u := &upload{put: p}
	defer func() {
		cancel(nil)
		u.keeper.Wait()
	}()
	for {
		pg, end, err := presentPage(ans, q.GetOffset())
		if err == nil && !ans.GetMore() {
			return u.finish(ctx, pg)
		}
		if err == nil {
			err = u.append(ctx, pg)
		}
		if q.Offset = end; err == nil {
			ans, err = p.client.lookup(ctx, q)
		}
		if err != nil {
			u.abort(ctx)
			return Object{}, err
		}
	}
}

// presentPage is a page of blocks that an object has from offset on, and where they
// end in it.
func presentPage(ans *pb.LookupAnswer, offset uint64) (pg *page, end uint64, err error) {
	list, err := extents(ans)
	if err != nil {
		return nil, 0, err
	}
	stored := ans.GetBlocks().GetStoredSizes()
	if len(list) == 0 || len(stored) != len(list) || ans.GetFirstOffset() != offset {
		return nil, 0, protocol.Errorf(protocol.Internal, "a metaserver answered %d blocks from byte %d on, of %d sizes; asked was byte %d", len(list), ans.GetFirstOffset(), len(stored), offset)
	}
	pg, end = newPage(), offset
	for i, x := range list {
		b := &block{offset: x.offset, size: x.ref.Size, stored: int(stored[i])}
		pg.blocks = append(pg.blocks, b)
		pg.claim(b, x.ref.Hash)
		end += uint64(x.ref.Size)
	}
	return pg, end, nil
}

// present is an object that is there, as a source.
type present struct {
	ctx    context.Context
	client *Client
	object Object
}

// ReadAt reads len(buf) bytes at offset.
func (s *present) ReadAt(buf []byte, offset int64) (int, error) {
	r, err := s.client.Get(s.ctx, s.object.Bucket, s.object.Name, WithRange(offset, int64(len(buf))), IfVersion(s.object.Version))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.ReadFull(r, buf)
}
