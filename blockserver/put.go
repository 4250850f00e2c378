package blockserver

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// put is PUT /v1/blocks/{hash}. Everything that can be refused without the body
// is refused before it is read.
func (s *Server) put(ctx *fasthttp.RequestCtx, h protocol.Hash) error {
	if _, err := s.admitted(); err != nil {
		return err
	}
	r, err := s.putRequest(ctx)
	if err != nil {
		return err
	}
	if err := s.store.Refuses(h); err != nil {
		return err
	}
	limit := protocol.MaxBlockSize
	if r.Zstd {
		limit = protocol.MaxStoredSize
	}
	body, err := s.readBody(ctx, limit)
	if err != nil {
		return err
	}
	defer body.release()
	r.Hash, r.Body = h, body.bytes
	return s.keep(ctx, r)
}

// post is POST /v1/blocks: the server names what it is sent. It wants plain
// bytes of a declared length, because with no hash to hold them against nothing
// else would tell a body that broke off.
func (s *Server) post(ctx *fasthttp.RequestCtx) error {
	if _, err := s.admitted(); err != nil {
		return err
	}
	r, err := s.putRequest(ctx)
	if err != nil {
		return err
	}
	declared := ctx.Request.Header.ContentLength()
	switch {
	case r.Zstd:
		return protocol.Errorf(protocol.Unsupported, "the server names plain bytes only; PUT compressed ones under their hash")
	case declared < 0:
		return protocol.Errorf(protocol.InvalidArgument, "POST %s needs a Content-Length; PUT chunked bytes under their hash", protocol.PathBlocks)
	case declared > protocol.MaxBlockSize:
		return tooLarge(protocol.MaxBlockSize)
	}
	body, err := s.readBody(ctx, protocol.MaxBlockSize)
	if err != nil {
		return err
	}
	defer body.release()
	r.Hash, r.Body = protocol.HashOf(body.bytes), body.bytes
	return s.keep(ctx, r)
}

// putRequest reads the headers of a PUT or POST.
func (s *Server) putRequest(ctx *fasthttp.RequestCtx) (store.PutRequest, error) {
	r := store.PutRequest{Version: s.highestSeen(), PlainSize: -1}
	var err error
	if v := ctx.Request.Header.Peek(protocol.HeaderVersion); len(v) > 0 {
		if r.Version, err = protocol.ParseVersion(string(v)); err != nil {
			return r, err
		}
		if err := s.believable(rpc.Context(ctx), r.Version); err != nil {
			return r, err
		}
	}
	if size := ctx.Request.Header.Peek(protocol.HeaderPlainSize); len(size) > 0 {
		if r.PlainSize, err = parsePlainSize(string(size)); err != nil {
			return r, err
		}
	}
	switch coding := string(ctx.Request.Header.ContentEncoding()); coding {
	case "", "identity":
	case "zstd":
		r.Zstd = true
	default:
		return r, protocol.Errorf(protocol.Unsupported, "Content-Encoding is zstd or none, not %s", protocol.Quote(coding))
	}
	return r, nil
}

// parsePlainSize reads a decimal number of bytes, without sign or leading zeros.
func parsePlainSize(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, protocol.Errorf(protocol.InvalidArgument, "%s is a decimal number of bytes, not %s", protocol.HeaderPlainSize, protocol.Quote(s))
	}
	if n > protocol.MaxBlockSize {
		return 0, protocol.Errorf(protocol.TooLarge, "a block has at most %d plain bytes, not %d", protocol.MaxBlockSize, n)
	}
	return int(n), nil
}

// keep stores r and answers with the acknowledgement. The other form of the
// block, compressed or plain, is made meanwhile and takes memory too. It is
// charged only now, when the body is here, so that a promise costs nothing.
func (s *Server) keep(ctx *fasthttp.RequestCtx, r store.PutRequest) error {
	work := otherForm(&r)
	if err := s.memory.charge(work); err != nil {
		return err
	}
	defer s.memory.discharge(work)
	s.metrics.received.Add(float64(len(r.Body)))
	claim, err := s.store.Put(rpc.Context(ctx), r)
	if err != nil {
		return err
	}
	header := &ctx.Response.Header
	header.Set(protocol.HeaderVersion, claim.Version.String())
	header.Set(protocol.HeaderNode, claim.Node.String())
	header.Set(fasthttp.HeaderETag, etag(claim.Hash))
	header.Set(fasthttp.HeaderLocation, protocol.PathBlocks+"/"+claim.Hash.String())
	return rpc.Reply(ctx, fasthttp.StatusCreated, ackOf(claim))
}

// otherForm bounds the bytes of the form that r's body does not have.
func otherForm(r *store.PutRequest) int {
	switch {
	case !r.Zstd:
		return len(r.Body)
	case r.PlainSize >= 0:
		return r.PlainSize
	}
	return protocol.MaxBlockSize
}

func ackOf(c protocol.Claim) *pb.Ack {
	return &pb.Ack{
		Hash: c.Hash[:], Node: uint32(c.Node), Incarnation: uint64(c.Incarnation), Disk: c.Disk, Ack: c.Ack,
		Version: versionOf(c.Version), PlainSize: c.PlainSize, StoredSize: c.StoredSize,
	}
}

func versionOf(v protocol.Version) *pb.Version {
	return &pb.Version{Generation: v.Generation, Counter: v.Counter}
}
