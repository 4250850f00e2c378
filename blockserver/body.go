package blockserver

import (
	"errors"
	"io"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// body is a request's body in leased memory.
type body struct {
	bytes []byte
	lease *lease
}

func (b *body) release() { b.lease.release() }

// readBody reads the whole body, at most limit bytes of it: TooLarge beyond,
// ShortBody if it ends before its declared length or a chunk breaks off, Busy at
// the memory limit. Memory grows with what has arrived, not with what was
// declared, so that a sender who promises much and sends little holds little.
//
// A chunked body whose connection ends between two chunks is taken for complete,
// because rpc.Body cannot tell: only a caller that knows the hash may accept
// chunks.
func (s *Server) readBody(ctx *fasthttp.RequestCtx, limit int) (*body, error) {
	declared := ctx.Request.Header.ContentLength()
	if declared > limit {
		return nil, tooLarge(limit)
	}
	from := rpc.Body(ctx)
	want, first := declared, min(declared, leaseSizes[1])
	if declared < 0 {
		want, first = limit+1, leaseSizes[0]
	}
	l, err := s.memory.lease(first)
	if err != nil {
		return nil, err
	}
	n := 0
	for err == nil && n < want {
		if n == len(l.buf) {
			if l, err = s.memory.grow(l); err != nil {
				return nil, err
			}
		}
		n, err = fill(from, l.buf[:min(want, len(l.buf))], n)
	}
	if err = whole(n, declared, limit, err); err != nil {
		l.release()
		return nil, err
	}
	return &body{l.buf[:n], l}, nil
}

// fill reads into buf from index n on until it is full or the stream ends.
func fill(from io.Reader, buf []byte, n int) (int, error) {
	for n < len(buf) {
		got, err := from.Read(buf[n:])
		n += got
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// whole says whether n bytes that ended with end are a whole body.
func whole(n, declared, limit int, end error) error {
	switch {
	case n > limit:
		return tooLarge(limit)
	case declared >= 0 && n < declared:
		return protocol.Errorf(protocol.ShortBody, "the body ended after %d of %d bytes: %w", n, declared, end)
	case declared < 0 && !errors.Is(end, io.EOF):
		return protocol.Errorf(protocol.ShortBody, "the chunked body broke off after %d bytes: %w", n, end)
	}
	return nil
}

func tooLarge(limit int) error {
	return protocol.Errorf(protocol.TooLarge, "the body of a block has at most %d bytes here", limit)
}
