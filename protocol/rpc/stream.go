package rpc

import (
	"errors"
	"io"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// stream is a request's body that is still on the connection.
type stream struct {
	from io.Reader
	// left is what is still to come of a declared length; -1 for chunks.
	left int
	// ended: the next byte on the connection belongs to the next request.
	ended bool
}

// Body returns the body of a HandleRaw request. If the server streams bodies
// (ServerConfig.StreamBodies), it comes off the connection as it is read: a
// declared length beyond the path's limit has been refused already, but how much
// a chunked body brings is the reader's to bound. io.EOF is the end of a whole
// body, io.ErrUnexpectedEOF of one that broke off; a chunked one that breaks off
// between two chunks cannot be told from a whole one.
func Body(ctx *fasthttp.RequestCtx) io.Reader {
	if x, ok := ctx.UserValue(exchangeKey{}).(*exchange); ok && x.body != nil {
		return x.body
	}
	return &stream{ended: true}
}

// Read reads what is left.
func (b *stream) Read(p []byte) (int, error) {
	if b.ended || b.left == 0 {
		b.ended = true
		return 0, io.EOF
	}
	n, err := b.from.Read(p)
	if b.left > 0 {
		b.left -= n
		b.ended = b.left == 0
		if errors.Is(err, io.EOF) && !b.ended {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	b.ended = err == io.EOF
	return n, err
}

// openBody finds the request's body, and refuses one where none belongs. It comes
// before every gate that may refuse, so that settle knows of it.
func (x *exchange) openBody() error {
	h := &x.http.Request.Header
	from := x.http.RequestBodyStream()
	if from == nil || h.ContentLength() == 0 {
		return nil
	}
	x.body = &stream{from: from, left: max(h.ContentLength(), -1)}
	if h.IsGet() || h.IsHead() {
		return protocol.Errorf(protocol.InvalidArgument, "%s takes no body", h.Method())
	}
	return nil
}

// mostBody is the limit of bodies on a route.
func (s *Server) mostBody(r *route) int {
	if r.maxBody > 0 {
		return r.maxBody
	}
	return s.cfg.MaxBody
}

// wholeBody reads a body that Handle wants in one piece.
func (x *exchange) wholeBody(r *route) ([]byte, error) {
	if x.body == nil {
		return x.http.Request.Body(), nil
	}
	most := x.server.mostBody(r)
	body, err := io.ReadAll(io.LimitReader(x.body, int64(most)+1))
	switch {
	case len(body) > most:
		return nil, protocol.Errorf(protocol.TooLarge, "the body has at most %d bytes here", most)
	case err != nil:
		return nil, protocol.Errorf(protocol.ShortBody, "the body broke off after %d bytes: %w", len(body), err)
	}
	return body, nil
}

// settle runs last: a body that nobody read to its end must never be taken for
// the next request.
func (x *exchange) settle() {
	switch {
	case x.body == nil || x.body.ended:
	case x.refused:
		x.http.Response.SkipBody = x.http.IsHead()
		linger(x.http)
	default:
		x.http.SetConnectionClose()
	}
}
