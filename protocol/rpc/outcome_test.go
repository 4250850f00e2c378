package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// peer is a server under a test's control: for each request, on whatever
// connection, it calls the next of its script and closes the connection when
// that says so. It counts what it was sent.
type peer struct {
	addr string

	mu              sync.Mutex
	script          []func(conn net.Conn, req *http.Request) (stay bool)
	conns, requests int
}

func startPeer(t testing.TB, script ...func(net.Conn, *http.Request) bool) *peer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{addr: ln.Addr().String(), script: script}
	var wg sync.WaitGroup
	var open sync.Map
	t.Cleanup(func() {
		_ = ln.Close()
		open.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			open.Store(conn, true)
			p.count(&p.conns)
			wg.Go(func() { p.serve(conn) })
		}
	})
	return p
}

func (p *peer) count(n *int) {
	p.mu.Lock()
	*n++
	p.mu.Unlock()
}

func (p *peer) counts() (conns, requests int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns, p.requests
}

func (p *peer) next() func(net.Conn, *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if len(p.script) == 0 {
		return hangUp
	}
	step := p.script[0]
	p.script = p.script[1:]
	return step
}

func (p *peer) serve(conn net.Conn) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if !p.next()(conn, req) {
			return
		}
	}
}

// hangUp closes without a word.
func hangUp(net.Conn, *http.Request) bool { return false }

// silent keeps the connection and says nothing.
func silent(net.Conn, *http.Request) bool { return true }

// says answers with text, in which %ID% is the request's id.
func says(text string, stay bool) func(net.Conn, *http.Request) bool {
	return func(conn net.Conn, req *http.Request) bool {
		_, _ = io.WriteString(conn, strings.ReplaceAll(text, "%ID%", req.Header.Get(protocol.HeaderRequest)))
		return stay
	}
}

const okHeader = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nAshlar-Request: %ID%\r\n"

func well(stay bool) func(net.Conn, *http.Request) bool {
	return says(okHeader+"Content-Length: 0\r\n\r\n", stay)
}

// ask calls addr once, by the method, and returns the error.
func ask(c *Client, ctx context.Context, method, addr string) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(method)
	return c.Do(ctx, addr, "/v1/x", req, resp)
}

func post(c *Client, addr string) error {
	return ask(c, context.Background(), fasthttp.MethodPost, addr)
}

// TestNotExecuted: nothing listens, so nothing was sent.
func TestNotExecuted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	c := client(t, ClientConfig{})
	wantKind(t, post(c, addr), protocol.Unavailable)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e := wantKind(t, ask(c, ctx, fasthttp.MethodPost, addr), protocol.Canceled)
	if !errors.Is(e, context.Canceled) {
		t.Errorf("%v does not say whose end it was", e)
	}
	c.Close()
	wantKind(t, post(c, addr), protocol.Unavailable)
}

// TestUnknownOutcome: whatever goes wrong after the request was sent, and the
// request is not sent again.
func TestUnknownOutcome(t *testing.T) {
	for name, step := range map[string]func(net.Conn, *http.Request) bool{
		"closed":                  hangUp,
		"not HTTP":                says("SSH-2.0-OpenSSH\r\n\r\n", false),
		"half a header":           says("HTTP/1.1 200 OK\r\nContent-", false),
		"half a body":             says(okHeader+"Content-Length: 10\r\n\r\nabc", false),
		"a body that is too long": says(okHeader+"Content-Length: 2000\r\n\r\n"+strings.Repeat("a", 2000), false),
		"another's answer":        says("HTTP/1.1 200 OK\r\nAshlar-Request: other-1\r\nContent-Length: 0\r\n\r\n", true),
		"nobody's answer":         says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
		"another's error":         says("HTTP/1.1 404 Not Found\r\nAshlar-Request: other-1\r\nContent-Length: 0\r\n\r\n", true),
		"a redirect":              says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", true),
		"a gateway's error":       says("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", true),
	} {
		for _, method := range []string{fasthttp.MethodPost, fasthttp.MethodPut, fasthttp.MethodGet} {
			p := startPeer(t, step)
			c := client(t, ClientConfig{MaxAnswer: 1000})
			err := ask(c, context.Background(), method, p.addr)
			e := wantKind(t, err, protocol.UnknownOutcome)
			if _, requests := p.counts(); requests != 1 {
				t.Errorf("%s by %s: sent %d times", name, method, requests)
			}
			for _, r := range e.Detail {
				if r < ' ' {
					t.Errorf("%s: the error carries %q raw", name, r)
				}
			}
		}
	}
}

func TestUnreadableAnswerIsUnknown(t *testing.T) {
	p := startPeer(t, says(okHeader+"Content-Length: 2\r\n\r\n\x0a\xff", true))
	c := client(t, ClientConfig{})
	err := c.Call(context.Background(), p.addr, "/v1/x", &pb.LookupRequest{}, new(pb.LookupAnswer))
	wantKind(t, err, protocol.UnknownOutcome)
}

// TestPrompt: the end of the context or of the time ends the call, though the
// server holds the request for ever.
func TestPrompt(t *testing.T) {
	t.Run("cancel", func(t *testing.T) {
		p := startPeer(t, silent)
		c := client(t, ClientConfig{Timeout: time.Hour})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- ask(c, ctx, fasthttp.MethodPost, p.addr) }()
		eventually(t, "the request is sent", func() bool { _, n := p.counts(); return n == 1 })
		cancel()
		if e := wantKind(t, <-done, protocol.UnknownOutcome); !errors.Is(e, context.Canceled) {
			t.Errorf("%v does not say whose end it was", e)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		p := startPeer(t, silent)
		c := client(t, ClientConfig{Timeout: time.Hour})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if e := wantKind(t, ask(c, ctx, fasthttp.MethodPost, p.addr), protocol.UnknownOutcome); !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%v does not say whose end it was", e)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		p := startPeer(t, silent)
		c := client(t, ClientConfig{Timeout: 50 * time.Millisecond})
		if e := wantKind(t, post(c, p.addr), protocol.UnknownOutcome); errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%v blames the caller", e)
		}
	})
}

// TestInterruptedConnectionIsNotReused: the answer that comes after the caller
// left must not be taken for the next one's.
func TestInterruptedConnectionIsNotReused(t *testing.T) {
	p := startPeer(t, silent, well(true))
	c := client(t, ClientConfig{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	wantKind(t, ask(c, ctx, fasthttp.MethodPost, p.addr), protocol.UnknownOutcome)
	if err := post(c, p.addr); err != nil {
		t.Fatal(err)
	}
	if conns, _ := p.counts(); conns != 2 {
		t.Errorf("%d connections, want 2", conns)
	}
}

func TestFullPoolWaits(t *testing.T) {
	p := startPeer(t, well(true))
	c := client(t, ClientConfig{MaxConnsPerHost: 1, Timeout: 50 * time.Millisecond})
	h, err := c.host(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	h.slots <- struct{}{}
	wantKind(t, post(c, p.addr), protocol.Busy)
	for _, ends := range []time.Duration{time.Millisecond, time.Hour} {
		ctx, cancel := context.WithTimeout(context.Background(), ends)
		timer := time.AfterFunc(5*time.Millisecond, cancel)
		wantKind(t, ask(c, ctx, fasthttp.MethodPost, p.addr), protocol.Canceled)
		timer.Stop()
		cancel()
	}
	<-h.slots
	if err := post(c, p.addr); err != nil {
		t.Errorf("after the slot was given back: %v", err)
	}
}

// idleConn returns the one connection that c has at rest to addr.
func idleConn(t testing.TB, c *Client, addr string) *conn {
	t.Helper()
	h, err := c.host(addr)
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.idle) != 1 {
		t.Fatalf("%d connections rest, want 1", len(h.idle))
	}
	return h.idle[0]
}

// TestStaleConnectionIsSeen: a connection that the server has closed while it
// rested is not used, so the request is sent once and succeeds.
func TestStaleConnectionIsSeen(t *testing.T) {
	p := startPeer(t, well(false), well(true))
	c := client(t, ClientConfig{})
	if err := post(c, p.addr); err != nil {
		t.Fatal(err)
	}
	resting := idleConn(t, c, p.addr)
	eventually(t, "the server's close arrives", func() bool { return !live(resting.Conn) })
	resting.since = resting.since.Add(-2 * staleAfter)
	if err := post(c, p.addr); err != nil {
		t.Errorf("after a stale connection: %v", err)
	}
	if conns, requests := p.counts(); conns != 2 || requests != 2 {
		t.Errorf("%d connections and %d requests, want two each", conns, requests)
	}
}

// TestNoSilentRetry: on a connection that breaks under a request, only what is
// safe to do twice is sent twice.
func TestNoSilentRetry(t *testing.T) {
	for method, want := range map[string]int{fasthttp.MethodPost: 2, fasthttp.MethodPut: 2, fasthttp.MethodDelete: 2, fasthttp.MethodGet: 3, fasthttp.MethodHead: 3} {
		p := startPeer(t, well(true), hangUp, well(true))
		c := client(t, ClientConfig{})
		if err := ask(c, context.Background(), method, p.addr); err != nil {
			t.Fatal(err)
		}
		err := ask(c, context.Background(), method, p.addr)
		if want == 2 {
			wantKind(t, err, protocol.UnknownOutcome)
		} else if err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if _, requests := p.counts(); requests != want {
			t.Errorf("%s: %d requests, want %d", method, requests, want)
		}
	}
}

// TestAnswerWithMoreAfterIt: bytes that belong to no answer spoil the connection.
func TestAnswerWithMoreAfterIt(t *testing.T) {
	p := startPeer(t, says(okHeader+"Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", true), well(true))
	c := client(t, ClientConfig{})
	for range 2 {
		if err := post(c, p.addr); err != nil {
			t.Fatal(err)
		}
	}
	if conns, _ := p.counts(); conns != 2 {
		t.Errorf("%d connections, want 2", conns)
	}
}

// TestEarlyRefusalIsRead: a server that refuses in the middle of a large body is
// heard.
func TestEarlyRefusalIsRead(t *testing.T) {
	for _, streams := range []bool{false, true} {
		s := NewServer(ServerConfig{MaxBody: 1000, StreamBodies: streams})
		s.HandleRaw("/v1/raw", func(*fasthttp.RequestCtx) error { return nil })
		addr := start(t, s)
		c := client(t, ClientConfig{})
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		req.Header.SetMethod(fasthttp.MethodPut)
		req.SetBody(make([]byte, protocol.MaxStoredSize))
		wantKind(t, c.Do(context.Background(), addr, "/v1/raw", req, resp), protocol.TooLarge)
	}
}

// TestStatusesWithoutKind: what something between the two ends may say.
func TestStatusesWithoutKind(t *testing.T) {
	for status, want := range map[int]protocol.Kind{
		400: protocol.InvalidArgument, 401: protocol.Unauthorized, 403: protocol.Unauthorized, 404: protocol.UnknownOutcome, 413: protocol.TooLarge, 431: protocol.TooLarge,
		429: protocol.Busy, 503: protocol.Unavailable, 500: protocol.UnknownOutcome, 502: protocol.UnknownOutcome, 504: protocol.UnknownOutcome, 418: protocol.UnknownOutcome,
	} {
		for _, body := range []string{"", "<html>", `{"kind":""}`, `{"kind":5}`, "{"} {
			p := startPeer(t, says(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body), true))
			wantKind(t, post(client(t, ClientConfig{}), p.addr), want)
		}
	}
}

func TestIdleConnectionsAreLetGo(t *testing.T) {
	p := startPeer(t, well(true))
	c := client(t, ClientConfig{})
	if err := post(c, p.addr); err != nil {
		t.Fatal(err)
	}
	resting := idleConn(t, c, p.addr)
	resting.since = resting.since.Add(-2 * MaxIdle)
	c.sweepOnce()
	if live(resting.Conn) {
		t.Error("the connection is still open")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hosts) != 0 || c.sweep != nil {
		t.Errorf("%d hosts are kept, sweep %v", len(c.hosts), c.sweep)
	}
}
