package blockserver

import (
	"io"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// get is GET /v1/blocks/{hash}.
func (s *Server) get(ctx *fasthttp.RequestCtx, h protocol.Hash) error {
	block, err := s.store.Get(rpc.Context(ctx), h)
	if err != nil {
		return err
	}
	defer func() { _ = block.Close() }()
	wanted := readWanted(&ctx.Request.Header, h)
	s.describe(ctx, block.Info, wanted.zstd)
	if wanted.notModified {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	if wanted.zstd {
		return s.sendStored(ctx, block)
	}
	part, err := parseRange(wanted.span, int(block.Info.PlainSize))
	if err != nil {
		ctx.Response.Header.Set(fasthttp.HeaderContentRange, "bytes */"+strconv.Itoa(int(block.Info.PlainSize)))
		return err
	}
	return s.sendPlain(ctx, block, part)
}

// head is HEAD /v1/blocks/{hash}: what GET without a range would say, from the
// file's header alone.
func (s *Server) head(ctx *fasthttp.RequestCtx, h protocol.Hash) error {
	info, err := s.store.Stat(h)
	if err != nil {
		return err
	}
	wanted := readWanted(&ctx.Request.Header, h)
	wanted.zstd = acceptsZstd(ctx.Request.Header.Peek(fasthttp.HeaderAcceptEncoding))
	s.describe(ctx, info, wanted.zstd)
	size := info.PlainSize
	if wanted.zstd {
		size = info.StoredSize
	}
	if wanted.notModified {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	ctx.Response.SkipBody = true
	ctx.Response.Header.SetContentLength(int(size))
	return nil
}

// describe sets what every answer about a block tells. The compressed form has
// a weak tag, because a strong one means that the very bytes are the same.
func (s *Server) describe(ctx *fasthttp.RequestCtx, info store.Info, zstd bool) {
	header := &ctx.Response.Header
	header.SetContentType(protocol.TypeBytes)
	header.Set(fasthttp.HeaderAcceptRanges, "bytes")
	header.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	header.Set(protocol.HeaderVersion, info.Version.String())
	header.Set(protocol.HeaderPlainSize, strconv.FormatUint(uint64(info.PlainSize), 10))
	if m := s.member.Load(); m != nil {
		header.Set(protocol.HeaderNode, m.node.String())
	}
	if zstd {
		header.SetContentEncoding("zstd")
		header.Set(fasthttp.HeaderETag, "W/"+etag(info.Hash))
	} else {
		header.Set(fasthttp.HeaderETag, etag(info.Hash))
	}
}

// etag is the hash in quotes: a block's content never changes.
func etag(h protocol.Hash) string { return `"` + h.String() + `"` }

// sendStored answers with the zstd frames as they lie in the file.
func (s *Server) sendStored(ctx *fasthttp.RequestCtx, block *store.Block) error {
	l, err := s.memory.lease(int(block.Info.StoredSize))
	if err != nil {
		return err
	}
	stored, err := block.Stored(l.buf[:0])
	if err != nil {
		l.release()
		return s.judge(ctx, block.Info.Hash, err)
	}
	s.send(ctx, l, stored)
	return nil
}

// sendPlain answers with all plain bytes or with part of them, after all of
// them were verified.
func (s *Server) sendPlain(ctx *fasthttp.RequestCtx, block *store.Block, part *span) error {
	stored := int(block.Info.StoredSize)
	if err := s.memory.charge(stored); err != nil {
		return err
	}
	defer s.memory.discharge(stored)
	l, err := s.memory.lease(int(block.Info.PlainSize))
	if err != nil {
		return err
	}
	plain, err := block.Plain(l.buf[:0])
	if err != nil {
		l.release()
		return s.judge(ctx, block.Info.Hash, err)
	}
	if part != nil {
		ctx.SetStatusCode(fasthttp.StatusPartialContent)
		ctx.Response.Header.Set(fasthttp.HeaderContentRange, part.contentRange(len(plain)))
		plain = plain[part.first : part.last+1]
	}
	s.send(ctx, l, plain)
	return nil
}

// judge has a copy whose bytes turned out bad looked at again under its lock, by
// which the store sets it aside, and returns what to tell. Corrupt is left for a
// copy that is good by now.
func (s *Server) judge(ctx *fasthttp.RequestCtx, h protocol.Hash, cause error) error {
	kind := protocol.KindOf(cause)
	if kind != protocol.Corrupt && kind != protocol.Quarantined {
		return cause
	}
	s.metrics.corrupt.Inc()
	if _, verdict := s.store.Verify(rpc.Context(ctx), h); verdict != nil {
		return verdict
	}
	return cause
}

// send gives content, which lies in l, to the connection; l is released when it
// has been written.
func (s *Server) send(ctx *fasthttp.RequestCtx, l *lease, content []byte) {
	s.metrics.sent.Add(float64(len(content)))
	ctx.Response.SetBodyStream(&outgoing{content: content, lease: l}, len(content))
}

// outgoing is an answer's body in leased memory. fasthttp writes it in one piece
// and closes it whether or not that went well.
type outgoing struct {
	content []byte
	lease   *lease
}

// WriteTo hands over all that is left, without a copy.
func (o *outgoing) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(o.content)
	o.content = o.content[n:]
	return int64(n), err
}

// Read is what io.Reader asks for; fasthttp prefers WriteTo.
func (o *outgoing) Read(p []byte) (int, error) {
	if len(o.content) == 0 {
		return 0, io.EOF
	}
	n := copy(p, o.content)
	o.content = o.content[n:]
	return n, nil
}

// Close releases the memory, once.
func (o *outgoing) Close() error {
	if o.lease != nil {
		o.lease.release()
		o.lease, o.content = nil, nil
	}
	return nil
}
