package rpc

import (
	"context"
	"strings"

	"github.com/valyala/fasthttp"
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
