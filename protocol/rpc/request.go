package rpc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// requestIDs makes request ids: 64 random bits of this process and a count, so
// that ids of all servers and clients in one log are told apart.
type requestIDs struct {
	prefix string
	n      *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return requestIDs{prefix: hex.EncodeToString(b[:]) + "-", n: new(atomic.Uint64)}
}

// next returns a new id.
func (r requestIDs) next() []byte {
	id := make([]byte, 0, len(r.prefix)+20)
	return strconv.AppendUint(append(id, r.prefix...), r.n.Add(1), 10)
}

// checkRequestID accepts up to protocol.MaxRequestID printable ASCII bytes
// without spaces.
func checkRequestID(id []byte) error {
	if len(id) > protocol.MaxRequestID {
		return protocol.Errorf(protocol.InvalidArgument, "%s has at most %d bytes; this one has %d", protocol.HeaderRequest, protocol.MaxRequestID, len(id))
	}
	for i, c := range id {
		if c <= ' ' || c > '~' {
			return protocol.Errorf(protocol.InvalidArgument, "%s is printable ASCII; byte %d is %q", protocol.HeaderRequest, i, c)
		}
	}
	return nil
}

// requestContext is the context of one request: the server's, and the id.
type requestContext struct {
	context.Context
	id string
}

type requestIDKey struct{}

// Value answers for the request id and passes the rest on.
func (c *requestContext) Value(key any) any {
	if _, ok := key.(requestIDKey); ok {
		return c.id
	}
	return c.Context.Value(key)
}

func (x *exchange) context() context.Context {
	if x.ctx == nil {
		timed, end := context.WithTimeout(x.server.base, x.server.cfg.RequestTimeout)
		x.ctx, x.end = &requestContext{timed, x.id}, end
	}
	return x.ctx
}

// RequestID returns the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		return id
	}
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x.id
	}
	return ""
}

// Context returns the context of a HandleRaw request. It ends with the request,
// after ServerConfig.RequestTimeout, or when the server cuts its connections.
func Context(ctx *fasthttp.RequestCtx) context.Context {
	if x, ok := ctx.UserValue(exchangeKey{}).(*exchange); ok {
		return x.context()
	}
	return context.Background()
}

// RawPath returns the path of a HandleRaw request as it stood in the request
// line, checked to be plain, without the query.
func RawPath(ctx *fasthttp.RequestCtx) string {
	if x, ok := ctx.UserValue(exchangeKey{}).(*exchange); ok {
		return string(x.path)
	}
	return ""
}
