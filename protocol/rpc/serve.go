package rpc

import (
	"bytes"
	"context"
	"encoding/hex"
	"runtime/debug"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	protobufType = protocol.TypeProtobuf
	jsonType     = protocol.TypeJSON
)

// chunked is fasthttp's content length of a body in chunks.
const chunked = -1

// exchange is one request on its way through the server.
type exchange struct {
	server *Server
	http   *fasthttp.RequestCtx
	id     string
	path   []byte
	// body is nil if there is none or it was read before the handler ran.
	body *stream
	// refused: the answer is a problem.
	refused bool
	// ctx is made when it is first asked for, and ends with the request.
	ctx context.Context
	end context.CancelFunc
}

type exchangeKey struct{}

// serve is fasthttp's handler: one call for every request that could be read.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	s.requests.Add(1)
	x := exchange{server: s, http: ctx}
	defer x.settle()
	defer x.rescue()
	inFlight := s.inFlight.Add(1)
	defer x.done()
	if err := x.run(inFlight); err != nil {
		x.fail(err)
	}
}

// done ends what the request holds.
func (x *exchange) done() {
	x.server.inFlight.Add(-1)
	if x.end != nil {
		x.end()
	}
}

// run passes the gates in the order of the package comment.
func (x *exchange) run(inFlight int64) error {
	s, h := x.server, &x.http.Request.Header
	id := h.Peek(protocol.HeaderRequest)
	badID := checkRequestID(id)
	if len(id) == 0 || badID != nil {
		id = s.ids.next()
	}
	x.id = string(id)
	s.sign(x.http, id)
	badBody := x.openBody()
	switch {
	case badID != nil:
		return badID
	case badBody != nil:
		return badBody
	}
	if err := x.framing(); err != nil {
		x.http.SetConnectionClose()
		return err
	}
	path, _, err := splitTarget(h.RequestURI())
	if err != nil {
		return err
	}
	x.path = path
	if err := s.sameCluster(h.Peek(protocol.HeaderCluster)); err != nil {
		return err
	}
	r := s.routes.find(path)
	switch {
	case r == nil:
		return protocol.Errorf(protocol.NotFound, "no such path: %s", path)
	case r.post && !h.IsPost():
		x.http.Response.Header.Set(fasthttp.HeaderAllow, fasthttp.MethodPost)
		return protocol.Errorf(protocol.MethodNotAllowed, "%s takes POST only", path)
	case inFlight > int64(s.cfg.Concurrency):
		s.busy.Add(1)
		return protocol.Errorf(protocol.Busy, "%d requests are in flight; try again", s.cfg.Concurrency)
	case x.body != nil && x.body.left > s.mostBody(r):
		return protocol.Errorf(protocol.TooLarge, "the body has at most %d bytes here, not %d", s.mostBody(r), x.body.left)
	}
	return r.serve(x)
}

// framing refuses a request whose end, or whose headers, two readers could see
// differently (RFC 9112: 2.2, 5.2, 6.1): both a length and chunks, a coding that
// is not chunks, a folded header, a line that does not end in CRLF. fasthttp reads all of them.
func (x *exchange) framing() error {
	length, chunks, plain := false, 0, false
	for raw := x.http.Request.Header.RawHeaders(); len(raw) > 0; {
		i := bytes.IndexByte(raw, '\n')
		if i < 1 || raw[i-1] != '\r' {
			return protocol.Errorf(protocol.InvalidArgument, "every line of a header ends in CR LF")
		}
		switch raw[0] {
		case ' ', '\t':
			return protocol.Errorf(protocol.InvalidArgument, "no header continues on another line")
		case 'c', 'C':
			length = length || named(raw[:i], fasthttp.HeaderContentLength)
		case 't', 'T':
			if named(raw[:i], fasthttp.HeaderTransferEncoding) {
				chunks++
				value := bytes.Trim(raw[len(fasthttp.HeaderTransferEncoding)+1:i], " \t\r")
				plain = bytes.EqualFold(value, []byte("chunked"))
			}
		}
		raw = raw[i+1:]
	}
	h := &x.http.Request.Header
	// Chunks that hold nothing were read already, and left a length of 0.
	empty := chunks == 1 && plain && h.IsHTTP11() && h.ContentLength() == 0
	switch {
	case length && chunks > 0:
		return protocol.Errorf(protocol.InvalidArgument, "a request has Content-Length or Transfer-Encoding, not both")
	case chunks > 0 && h.ContentLength() != chunked && !empty:
		return protocol.Errorf(protocol.InvalidArgument, "the only Transfer-Encoding is chunked")
	}
	return nil
}

// named reports whether a header line bears name.
func named(line []byte, name string) bool {
	return len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name))
}

// sign puts the headers on an answer that every answer has.
func (s *Server) sign(ctx *fasthttp.RequestCtx, requestID []byte) {
	h := &ctx.Response.Header
	h.SetBytesV(protocol.HeaderRequest, requestID)
	if cluster := s.cfg.Cluster(); !cluster.IsZero() {
		var digits [2 * len(cluster)]byte
		hex.Encode(digits[:], cluster[:])
		h.SetBytesV(protocol.HeaderCluster, digits[:])
	}
}

// sameCluster refuses a request that names another cluster. A server that has
// none yet refuses nothing by it.
func (s *Server) sameCluster(claimed []byte) error {
	if len(claimed) == 0 {
		return nil
	}
	own := s.cfg.Cluster()
	theirs, err := protocol.ParseID(string(claimed))
	if err != nil {
		return err
	}
	if !own.IsZero() && theirs != own {
		return protocol.Errorf(protocol.WrongCluster, "this server belongs to cluster %s, the request to %s", own, theirs)
	}
	return nil
}

// fail answers err.
func (x *exchange) fail(err error) {
	e := asAnswer(err)
	if e.Kind == protocol.Internal {
		x.server.cfg.Logger.Error("request failed", "request", x.id, "path", string(x.path), "error", err)
	}
	writeProblem(x.http, e, x.id)
	x.refused = true
}

// rescue turns a panic into an Internal answer; the connection closes, because
// nobody knows how far the handler came.
func (x *exchange) rescue() {
	cause := recover()
	if cause == nil {
		return
	}
	s := x.server
	s.panics.Add(1)
	s.cfg.Logger.Error("handler panicked", "request", x.id, "path", string(x.path), "cause", cause, "stack", string(debug.Stack()))
	x.http.Response.Reset()
	s.sign(x.http, []byte(x.id))
	x.http.SetConnectionClose()
	writeProblem(x.http, &protocol.Error{Kind: protocol.Internal, Detail: "the handler broke; the server's log has it under this request id"}, x.id)
}
