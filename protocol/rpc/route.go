package rpc

import (
	"bytes"
	"context"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// route is what one path leads to.
type route struct {
	post    bool
	maxBody int
	serve   func(x *exchange) error
}

// routes finds a route by raw path: exact, or the longest prefix.
type routes struct {
	exact    map[string]*route
	prefixes []prefixRoute
}

type prefixRoute struct {
	prefix string
	route  *route
}

func (r *routes) add(path string, to *route) {
	if !strings.HasSuffix(path, "/") {
		r.exact[path] = to
		return
	}
	r.prefixes = append(r.prefixes, prefixRoute{path, to})
}

func (r *routes) find(path []byte) *route {
	if to := r.exact[string(path)]; to != nil {
		return to
	}
	var best prefixRoute
	for _, p := range r.prefixes {
		if len(p.prefix) > len(best.prefix) && strings.HasPrefix(string(path), p.prefix) {
			best = p
		}
	}
	return best.route
}

// Handle registers POST on path with protobuf bodies, or JSON by Content-Type
// and Accept. fn gets a decoded request that it owns; its answer is encoded
// before anything else happens to it. An error becomes a problem.
func Handle[Q any, PQ interface {
	*Q
	Message
}, A Message](s *Server, path string, fn func(ctx context.Context, req PQ) (A, error),
) {
	r := &route{post: true}
	r.serve = func(x *exchange) error {
		h := &x.http.Request.Header
		body, err := x.wholeBody(r)
		if err != nil {
			return err
		}
		req := PQ(new(Q))
		if err := decode(bodyForm(h.ContentType(), len(body)), body, req); err != nil {
			return err
		}
		answer, err := fn(x.context(), req)
		if err != nil {
			return err
		}
		return Reply(x.http, fasthttp.StatusOK, answer)
	}
	s.routes.add(path, r)
}

// HandleRaw registers fn on path, for every method: on that path alone, or on
// all below it where path ends in "/". The context and all bytes reached from it
// belong to the connection and must not be kept after fn returns. An error
// becomes a problem, in place of whatever fn has begun to answer.
func (s *Server) HandleRaw(path string, fn func(ctx *fasthttp.RequestCtx) error) {
	s.routes.add(path, &route{serve: func(x *exchange) error {
		x.http.SetUserValue(exchangeKey{}, x)
		return fn(x.http)
	}})
}

// LimitBody bounds the bodies of a path registered before, in bytes, in place
// of ServerConfig.MaxBody.
func (s *Server) LimitBody(path string, most int) {
	if to := s.routes.exact[path]; to != nil {
		to.maxBody = most
	}
	for _, p := range s.routes.prefixes {
		if p.prefix == path {
			p.route.maxBody = most
		}
	}
}

// Reply answers m with status, as protobuf or JSON by what the request accepts.
func Reply(ctx *fasthttp.RequestCtx, status int, m Message) error {
	h := &ctx.Request.Header
	f := answerForm(h.Peek(fasthttp.HeaderAccept), h.ContentType())
	body, err := encode(f, ctx.Response.SwapBody(nil)[:0], m)
	if err != nil {
		return err
	}
	ctx.Response.SwapBody(body)
	ctx.Response.SetStatusCode(status)
	if f == formProtobuf {
		ctx.Response.Header.SetContentType(protobufType)
	} else {
		ctx.Response.Header.SetContentType(jsonType)
	}
	return nil
}

// splitTarget takes the target of a request line apart, raw: the path before
// the first '?', the query after it. Only the origin form of a plain path is
// accepted (RFC 9112, 3.2.1): no escapes, no dot segments, no empty segments, no
// fragment, no backslash, nothing outside printable ASCII.
func splitTarget(target []byte) (path, query []byte, err error) {
	if len(target) == 0 || target[0] != '/' {
		return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a path begins with '/'")
	}
	if len(target) > MaxPath {
		return nil, nil, protocol.Errorf(protocol.TooLarge, "a path has at most %d bytes; this one has %d", MaxPath, len(target))
	}
	path = target
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i+1:]
	}
	for i, c := range path {
		switch {
		case !plainPathByte(c):
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a path has letters, digits and \"-._~/\" only; byte %d is %q", i, c)
		case i > 0 && c == '/' && path[i-1] == '/':
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a path has no empty segment; one ends at byte %d", i)
		case c == '.' && path[i-1] == '/':
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "no segment of a path begins with a dot; byte %d does", i)
		case c == '.' && path[i-1] == '.':
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a path has no two dots in a row; byte %d is the second", i)
		}
	}
	for i, c := range query {
		if c <= ' ' || c > '~' || c == '\\' || c == '#' {
			return nil, nil, protocol.Errorf(protocol.InvalidArgument, "a query is plain or escaped ASCII; byte %d is %q", i, c)
		}
	}
	return path, query, nil
}

func plainPathByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '/' || c == '-' || c == '.' || c == '_' || c == '~'
}
