package rpc

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// hostile is a server whose path /smuggled nobody may reach, in one of the two
// ways of reading bodies.
type hostile struct {
	addr     string
	server   *Server
	smuggled atomic.Int64
}

func startHostile(t testing.TB, cfg ServerConfig) *hostile {
	t.Helper()
	h := &hostile{}
	cfg.Cluster = inTestCluster
	s := NewServer(cfg)
	Handle(s, "/v1/prepare", echo)
	s.HandleRaw("/v1/raw/", func(ctx *fasthttp.RequestCtx) error {
		if cfg.StreamBodies {
			if n, err := io.Copy(io.Discard, Body(ctx)); err != nil {
				return protocol.Errorf(protocol.ShortBody, "after %d bytes: %w", n, err)
			}
		}
		return nil
	})
	s.HandleRaw("/v1/unread", func(*fasthttp.RequestCtx) error { return nil })
	s.HandleRaw("/smuggled", func(*fasthttp.RequestCtx) error { h.smuggled.Add(1); return nil })
	h.server, h.addr = s, start(t, s)
	return h
}

// bothWays runs fn against a server that buffers bodies and one that streams.
func bothWays(t *testing.T, cfg ServerConfig, fn func(t *testing.T, h *hostile)) {
	t.Helper()
	for name, streams := range map[string]bool{"buffered": false, "streamed": true} {
		cfg.StreamBodies = streams
		t.Run(name, func(t *testing.T) { fn(t, startHostile(t, cfg)) })
	}
}

// dial connects, with a deadline that only a hanging server meets.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// answers sends text on a connection of its own and returns the statuses and
// bodies of all answers until the server closes it.
func answers(t testing.TB, addr, text string) (statuses []int, bodies []string) {
	t.Helper()
	conn := dial(t, addr)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return readAnswers(t, conn)
}

func readAnswers(t testing.TB, conn net.Conn) (statuses []int, bodies []string) {
	t.Helper()
	br := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatalf("the server neither answers nor closes after %v", statuses)
			}
			return statuses, bodies
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("answer %d breaks off: %v", len(statuses), err)
		}
		statuses, bodies = append(statuses, resp.StatusCode), append(bodies, string(body))
	}
}

// smuggling are requests whose end two readers may place differently; %s is the
// request hidden in them.
var smuggling = map[string]string{
	"length and chunks":          "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
	"chunks and length":          "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n%s",
	"two lengths":                "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n%s",
	"two equal lengths":          "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n%s",
	"lengths in a list":          "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 60\r\n\r\n%s",
	"signed length":              "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n%s",
	"negative length":            "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n%s",
	"hexadecimal length":         "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n%s",
	"empty length":               "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n%s",
	"huge length":                "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n%s",
	"space before colon":         "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length : 60\r\n\r\n%s",
	"space before chunks colon":  "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n%s",
	"unknown coding":             "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n%s",
	"list of codings":            "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%s",
	"coding that is none":        "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n%s",
	"coding twice":               "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n%s",
	"chunks in HTTP/1.0":         "POST /v1/raw/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
	"empty list of codings":      "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n%s",
	"empty xchunks":              "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n%s",
	"empty identity":             "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n%s",
	"empty chunks, coding twice": "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s",
	"folded header":              "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 60\r\n\r\n%s",
	"bare LF":                    "POST /v1/raw/x HTTP/1.1\r\nHost: a\nX: b\r\n\r\n%s",
	"bare LF at the end":         "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\n\n%s",
	"folded coding":              "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n%s",
	"NUL in a header":            "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n%s",
	"bare CR in a header":        "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 60\r\n\r\n%s",
	"no name":                    "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\n: 60\r\n\r\n%s",
	"chunk size not a number":    "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n%s",
	"chunk size too long":        "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n%s",
	"chunk longer than said":     "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc%s",
	"no version":                 "POST /v1/raw/x\r\nHost: a\r\n\r\n%s",
	"two hosts":                  "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n%s",
}

// TestOneRequest: never a second request on a connection whose first is in doubt.
func TestOneRequest(t *testing.T) {
	const hidden = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	bothWays(t, ServerConfig{}, func(t *testing.T, h *hostile) {
		for name, text := range smuggling {
			statuses, _ := answers(t, h.addr, fmt.Sprintf(text, hidden))
			if len(statuses) > 1 || (len(statuses) == 1 && statuses[0]/100 != 4) {
				t.Errorf("%s: answered %v, want one refusal", name, statuses)
			}
		}
		if n := h.smuggled.Load(); n > 0 {
			t.Errorf("%d hidden requests were run", n)
		}
		if h.server.Stats().Malformed == 0 {
			t.Error("nothing was counted as malformed")
		}
	})
}

// TestEmptyChunks: a body of no chunks is one, and ends before what follows it.
func TestEmptyChunks(t *testing.T) {
	bothWays(t, ServerConfig{}, func(t *testing.T, h *hostile) {
		for _, coding := range []string{"chunked", " Chunked \t"} {
			text := "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:" + coding + "\r\n%s\r\n0\r\n\r\n"
			if statuses, bodies := answers(t, h.addr, fmt.Sprintf(text, "")+fmt.Sprintf(text, "Connection: close\r\n")); !slices.Equal(statuses, []int{200, 200}) {
				t.Errorf("two requests with %q: answered %v, %q", coding, statuses, bodies)
			}
		}
	})
}

// TestBodiesWhereNoneBelong: bytes after a GET are its body, not a request.
func TestBodiesWhereNoneBelong(t *testing.T) {
	const hidden = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	bothWays(t, ServerConfig{}, func(t *testing.T, h *hostile) {
		for _, path := range []string{"/v1/raw/x", "/v1/unread", "/v1/nowhere", "/v1/%2e"} {
			for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
				conn := dial(t, h.addr)
				fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", method, path, len(hidden), hidden)
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
			}
		}
		if n := h.smuggled.Load(); n > 0 {
			t.Errorf("%d bodies were run as requests", n)
		}
	})
}

func TestBadTargetsOverTheWire(t *testing.T) {
	bothWays(t, ServerConfig{}, func(t *testing.T, h *hostile) {
		for _, target := range badTargets {
			statuses, bodies := answers(t, h.addr, "GET "+target+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if len(statuses) != 1 || (statuses[0] != 400 && statuses[0] != 413) {
				t.Errorf("%q: answered %v, want 400 or 413", target, statuses)
				continue
			}
			checkProblem(t, statuses[0], bodies[0])
		}
	})
}

// checkProblem asserts that body is a problem of that status.
func checkProblem(t testing.TB, status int, body string) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%q is no problem: %v", body, err)
	}
	if p.Status != status || p.Type != problemType+p.Kind || p.Title != p.Kind || p.RequestID == "" || protocol.ParseKind(p.Kind).HTTPStatus() != status {
		t.Errorf("status %d carries %q", status, body)
	}
	return p
}

func TestSlowRequestsAreCut(t *testing.T) {
	bothWays(t, ServerConfig{ReadTimeout: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond}, func(t *testing.T, h *hostile) {
		for name, text := range map[string]string{
			"nothing":     "",
			"half a line": "GET /v1",
			"no end":      "GET /v1/raw/x HTTP/1.1\r\nHost: a\r\nX: ",
			"no body":     "POST /v1/raw/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nab",
			"no chunk":    "POST /v1/prepare HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{",
		} {
			statuses, bodies := answers(t, h.addr, text)
			if len(statuses) > 1 {
				t.Errorf("%s: answered %v", name, statuses)
			}
			if strings.HasPrefix(name, "no ") && (len(bodies) != 1 || checkProblem(t, statuses[0], bodies[0]).Kind != protocol.ShortBody.String()) {
				t.Errorf("%s: answered %q, want short-body", name, bodies)
			}
		}
		eventually(t, "the connections are gone", func() bool { return h.server.Stats().Conns == 0 })
	})
}

// TestSlowestBody: the time for a body grows with its length, at MinBodyRate,
// and a length that is not allowed buys no time.
func TestSlowestBody(t *testing.T) {
	s := NewServer(ServerConfig{MaxBody: 4 * MinBodyRate, ReadTimeout: time.Second})
	s.HandleRaw("/large", func(*fasthttp.RequestCtx) error { return nil })
	s.LimitBody("/large", 10*MinBodyRate)
	for _, c := range []struct {
		target string
		length int
		time   time.Duration
		most   int
	}{
		{"/x", 0, 0, 4 * MinBodyRate},
		{"/x", 2 * MinBodyRate, 3 * time.Second, 4 * MinBodyRate},
		{"/x", 1 << 40, 5 * time.Second, 4 * MinBodyRate},
		{"/large", 1 << 40, 11 * time.Second, 10 * MinBodyRate},
		{"/..", 1 << 40, time.Second + time.Second/MinBodyRate, 1},
	} {
		var h fasthttp.RequestHeader
		h.SetMethod(fasthttp.MethodPut)
		h.SetRequestURI(c.target)
		h.SetContentLength(c.length)
		if got := s.allowance(&h); got.ReadTimeout != c.time || got.MaxRequestBodySize != c.most {
			t.Errorf("%d bytes to %s: %v and at most %d, want %v and %d", c.length, c.target, got.ReadTimeout, got.MaxRequestBodySize, c.time, c.most)
		}
	}
}

func TestOversize(t *testing.T) {
	const most = 1000
	bothWays(t, ServerConfig{MaxBody: most}, func(t *testing.T, h *hostile) {
		body := strings.Repeat(" ", most)
		post := "POST /v1/prepare HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
		for name, c := range map[string]struct {
			text string
			want protocol.Kind
		}{
			"at the limit":          {post + "Content-Length: 1000\r\n\r\n{}" + body[2:], 0},
			"over the limit":        {post + "Content-Length: 1001\r\n\r\n{}" + body[1:], protocol.TooLarge},
			"far over the limit":    {post + "Content-Length: 5000000\r\n\r\n" + strings.Repeat("x", 5000000), protocol.TooLarge},
			"chunks at the limit":   {post + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n{}" + body[2:] + "\r\n0\r\n\r\n", 0},
			"chunks over the limit": {post + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n{}" + body[1:] + "\r\n0\r\n\r\n", protocol.TooLarge},
			"chunks without end":    {post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("3e8\r\n"+body+"\r\n", 100), protocol.TooLarge},
			"large header":          {"GET /v1/raw/x HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", MaxHeader) + "\r\n\r\n", protocol.TooLarge},
			"many headers":          {"GET /v1/raw/x HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: x\r\n", MaxHeader/6) + "\r\n", protocol.TooLarge},
		} {
			conn := dial(t, h.addr)
			go func() { _, _ = io.WriteString(conn, c.text) }()
			statuses, bodies := readAnswers(t, conn)
			if len(statuses) != 1 {
				t.Errorf("%s: answered %v", name, statuses)
			} else if c.want == 0 && statuses[0] != 200 {
				t.Errorf("%s: answered %q", name, bodies)
			} else if c.want != 0 && checkProblem(t, statuses[0], bodies[0]).Kind != c.want.String() {
				t.Errorf("%s: answered %q, want %s", name, bodies, c.want)
			}
		}
	})
}

func TestConnectionsPerAddress(t *testing.T) {
	h := startHostile(t, ServerConfig{MaxConnsPerAddress: 2})
	first, second := dial(t, h.addr), dial(t, h.addr)
	eventually(t, "two connections are in", func() bool { return h.server.Stats().Conns == 2 })
	statuses, _ := readAnswers(t, dial(t, h.addr))
	if len(statuses) != 1 || statuses[0] != 429 {
		t.Errorf("the third connection was told %v, want 429", statuses)
	}
	if got := h.server.Stats(); got.ConnsRefused != 1 {
		t.Errorf("stats %+v, want one refused connection", got)
	}
	_, _ = first.Close(), second.Close()
	eventually(t, "the connections are gone", func() bool { return h.server.Stats().Conns == 0 })
	c := client(t, ClientConfig{})
	if err := c.Call(context.Background(), h.addr, "/v1/prepare", &pb.PrepareRequest{}, new(pb.PrepareAnswer)); err != nil {
		t.Errorf("after the others left: %v", err)
	}
}
