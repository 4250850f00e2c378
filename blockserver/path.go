package blockserver

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// verb is a request's method, as far as a blockserver knows methods.
func verb(ctx *fasthttp.RequestCtx, allowed string, methods ...string) error {
	for _, m := range methods {
		if string(ctx.Method()) == m {
			return nil
		}
	}
	ctx.Response.Header.Set(fasthttp.HeaderAllow, allowed)
	return protocol.Errorf(protocol.MethodNotAllowed, "this path takes %s", allowed)
}

// blockHash reads the hash out of a block's path. It looks at the bytes of the
// request line, never at a decoded path, and takes the one spelling only.
func blockHash(target []byte) (protocol.Hash, error) {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		return protocol.Hash{}, protocol.Errorf(protocol.InvalidArgument, "a block's path takes no query")
	}
	name, ok := bytes.CutPrefix(target, []byte(protocol.PathBlocks+"/"))
	if !ok {
		return protocol.Hash{}, protocol.Errorf(protocol.InvalidArgument, "a block's path is %s/ and its hash", protocol.PathBlocks)
	}
	h, err := protocol.ParseHash(string(name))
	if err != nil {
		return protocol.Hash{}, err
	}
	return h, nil
}

// query reads the named query arguments; any other name, or one that comes
// twice, is InvalidArgument.
func query(ctx *fasthttp.RequestCtx, names ...string) (map[string]string, error) {
	out := make(map[string]string, len(names))
	for key, value := range ctx.QueryArgs().All() {
		name := string(key)
		if _, twice := out[name]; twice || !contains(names, name) {
			return nil, protocol.Errorf(protocol.InvalidArgument, "the query takes %v, once each; %s is not one of them or comes twice", names, protocol.Quote(name))
		}
		out[name] = string(value)
	}
	return out, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
