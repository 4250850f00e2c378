package rpc

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// seen is a request as one reader saw it.
type seen struct {
	method, target string
	body           string
}

// FuzzRequest feeds raw bytes to a server: it must neither break nor hang nor
// answer without a request id; and where net/http reads the same bytes to their
// end, the server may have run only requests that net/http saw too, in their
// order (OneRequest).
func FuzzRequest(f *testing.F) {
	const hidden = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, text := range smuggling {
		f.Add(fmt.Appendf(nil, text, hidden))
	}
	for _, target := range badTargets {
		f.Add([]byte("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"))
	}
	f.Add([]byte("POST /v1/prepare HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + hidden))
	f.Add([]byte("PUT /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" + hidden))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if bytes.Contains(raw, []byte("100-continue")) {
			t.Skip("asks for a conversation")
		}
		ran, answer := run(t, raw)
		checkAnswers(t, raw, answer)
		twin, whole := readTwin(raw)
		for _, r := range ran {
			at := slices.Index(twin, r)
			if at < 0 && whole {
				t.Fatalf("%q: %+v was run, net/http reads only %+v", raw, r, twin)
			}
			twin = twin[at+1:]
			if at < 0 {
				break
			}
		}
	})
}

// run gives raw to a server and returns what reached its handlers and what it
// answered.
func run(t *testing.T, raw []byte) (ran []seen, answer []byte) {
	t.Helper()
	s := NewServer(ServerConfig{Cluster: inTestCluster})
	record := func(ctx *fasthttp.RequestCtx) error {
		ran = append(ran, seen{string(ctx.Method()), string(ctx.Request.Header.RequestURI()), string(ctx.Request.Body())})
		if RawPath(ctx) != strings.SplitN(ran[len(ran)-1].target, "?", 2)[0] {
			t.Errorf("path %q of %q", RawPath(ctx), raw)
		}
		return nil
	}
	s.HandleRaw("/", record)
	conn := &tape{from: bytes.NewReader(raw)}
	_ = s.http.ServeConn(conn)
	if s.Stats().Panics > 0 {
		t.Fatalf("%q broke the server", raw)
	}
	return ran, conn.to.Bytes()
}

func checkAnswers(t *testing.T, raw, answer []byte) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(answer))
	for {
		if _, err := br.Peek(1); err != nil {
			return
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			return
		}
		if id := resp.Header.Get(protocol.HeaderRequest); id == "" || checkRequestID([]byte(id)) != nil {
			t.Fatalf("%q is answered with request id %q", raw, id)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return
		}
	}
}

// readTwin reads requests as net/http does, and whether it came to the end
// without an objection.
func readTwin(raw []byte) (out []seen, whole bool) {
	br := bufio.NewReader(bytes.NewReader(raw))
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return out, err == io.EOF
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return out, false
		}
		out = append(out, seen{req.Method, req.RequestURI, string(body)})
	}
}

// tape is a connection whose peer has said all it will say.
type tape struct {
	from *bytes.Reader
	to   bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error)       { return c.from.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return c.to.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }
