package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

// byHand sends a request as curl would and returns status, headers and body.
func byHand(t testing.TB, method, addr, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestByHand(t *testing.T) {
	s := NewServer(ServerConfig{Cluster: inTestCluster})
	Handle(s, protocol.PathPrepare, echo)
	addr := start(t, s)
	const none = `{"live":[],"version":null,"layout_version":"0","redundancy":0,"quorum":0}` + "\n"
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{"JSON both ways", "POST", "/v1/prepare", `{"hashes":""}`, []string{"Content-Type", "application/json"}, 200, none},
		{"no body", "POST", "/v1/prepare", "", nil, 200, none},
		{"JSON answered as protobuf", "POST", "/v1/prepare", `{"hashes":"0a0b0c"}`, []string{"Content-Type", "application/json", "Accept", "application/x-protobuf"}, 200, "\x18\x03"},
		{"protobuf answered as JSON", "POST", "/v1/prepare", "\x0a\x03aaa", []string{"Content-Type", "application/x-protobuf", "Accept", "application/json"}, 200, `{"live":[],"version":null,"layout_version":"3","redundancy":0,"quorum":0}` + "\n"},
		{"protobuf both ways", "POST", "/v1/prepare", "\x0a\x03aaa", []string{"Content-Type", "application/x-protobuf"}, 200, "\x18\x03"},
		{"no type", "POST", "/v1/prepare", "{}", nil, 415, "unsupported"},
		{"a form", "POST", "/v1/prepare", "{}", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported"},
		{"multipart", "POST", "/v1/prepare", "--x\r\n\r\n--x--", []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "unsupported"},
		{"not JSON", "POST", "/v1/prepare", "{", []string{"Content-Type", "application/json"}, 400, "invalid-argument"},
		{"unknown field", "POST", "/v1/prepare", `{"hash":""}`, []string{"Content-Type", "application/json"}, 400, "invalid-argument"},
		{"not protobuf", "POST", "/v1/prepare", "{}", []string{"Content-Type", "application/x-protobuf"}, 400, "invalid-argument"},
		{"by GET", "GET", "/v1/prepare", "", nil, 405, "method-not-allowed"},
		{"no path", "POST", "/v1/prepared", "", nil, 404, "not-found"},
		{"escaped path", "POST", "/v1/%70repare", "", nil, 400, "invalid-argument"},
		{"its own cluster", "POST", "/v1/prepare", "", []string{protocol.HeaderCluster, testCluster.String()}, 200, none},
		{"another cluster", "POST", "/v1/prepare", "", []string{protocol.HeaderCluster, otherCluster.String()}, 409, "wrong-cluster"},
		{"no cluster's name", "POST", "/v1/prepare", "", []string{protocol.HeaderCluster, "x"}, 400, "invalid-argument"},
	} {
		resp, body := byHand(t, c.method, addr, c.path, c.body, c.headers...)
		if resp.StatusCode != c.status || resp.Header.Get(protocol.HeaderCluster) != testCluster.String() || resp.Header.Get(protocol.HeaderRequest) == "" {
			t.Errorf("%s: answered %s with %v", c.name, resp.Status, resp.Header)
		}
		if c.status == 200 && body != c.want {
			t.Errorf("%s: answered %q, want %q", c.name, body, c.want)
		}
		if c.status == 200 {
			continue
		}
		p := checkProblem(t, c.status, body)
		if p.Kind != c.want || resp.Header.Get(protocol.HeaderKind) != c.want || resp.Header.Get("Content-Type") != protocol.TypeProblem || p.Detail == "" {
			t.Errorf("%s: answered %q", c.name, body)
		}
	}
}

func TestProblemReplacesABegunAnswer(t *testing.T) {
	s := NewServer(ServerConfig{})
	s.HandleRaw("/begun", func(ctx *fasthttp.RequestCtx) error {
		ctx.Response.Header.Set("Content-Encoding", "zstd")
		ctx.Response.Header.Set("ETag", "x")
		ctx.SetBodyString("half of it")
		return protocol.Errorf(protocol.Corrupt, "\x1b[2J")
	})
	resp, body := byHand(t, "GET", start(t, s), "/begun", "")
	if p := checkProblem(t, 500, body); p.Kind != "corrupt" || resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("ETag") != "" {
		t.Errorf("answered %q with %v", body, resp.Header)
	}
	if strings.ContainsRune(body, '\x1b') {
		t.Errorf("a control character got through raw: %q", body)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	var log bytes.Buffer
	s := NewServer(ServerConfig{Cluster: inTestCluster, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	Handle(s, "/panics", func(context.Context, *pb.LookupRequest) (*pb.LookupAnswer, error) { panic("secret") })
	Handle(s, protocol.PathPrepare, echo)
	addr := start(t, s)
	c := client(t, ClientConfig{})
	for range 3 {
		e := wantKind(t, c.Call(context.Background(), addr, "/panics", &pb.LookupRequest{}, new(pb.LookupAnswer)), protocol.Internal)
		if strings.Contains(e.Detail, "secret") || e.RequestID == "" {
			t.Errorf("the panic came as %+v", e)
		}
	}
	if err := c.Call(context.Background(), addr, protocol.PathPrepare, &pb.PrepareRequest{}, new(pb.PrepareAnswer)); err != nil {
		t.Errorf("after panics: %v", err)
	}
	if got := s.Stats(); got.Panics != 3 || got.InFlight != 0 {
		t.Errorf("stats %+v, want 3 panics and nothing in flight", got)
	}
	if !strings.Contains(log.String(), "server_test.go") {
		t.Error("the log has no stack")
	}
}

// gate is a handler that waits until it is opened.
type gate struct {
	entered chan struct{}
	open    chan struct{}
}

func newGate() gate { return gate{make(chan struct{}, 100), make(chan struct{})} }

func (g gate) handle(ctx context.Context, q *pb.PrepareRequest) (*pb.PrepareAnswer, error) {
	g.entered <- struct{}{}
	select {
	case <-g.open:
		return echo(ctx, q)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestBusyAtConcurrency(t *testing.T) {
	const most = 3
	s := NewServer(ServerConfig{Concurrency: most})
	g := newGate()
	Handle(s, "/wait", g.handle)
	addr := start(t, s)
	c := client(t, ClientConfig{})
	call := func() error {
		return c.Call(context.Background(), addr, "/wait", &pb.PrepareRequest{}, new(pb.PrepareAnswer))
	}
	var wg sync.WaitGroup
	for range most {
		wg.Go(func() {
			if err := call(); err != nil {
				t.Error(err)
			}
		})
		<-g.entered
	}
	wantKind(t, call(), protocol.Busy)
	close(g.open)
	wg.Wait()
	if err := call(); err != nil {
		t.Errorf("after the others: %v", err)
	}
	if got := s.Stats(); got.Busy != 1 {
		t.Errorf("stats %+v, want one busy", got)
	}
}

func TestRequestTimeout(t *testing.T) {
	s := NewServer(ServerConfig{RequestTimeout: 20 * time.Millisecond})
	Handle(s, "/wait", newGate().handle)
	c := client(t, ClientConfig{})
	err := c.Call(context.Background(), start(t, s), "/wait", &pb.PrepareRequest{}, new(pb.PrepareAnswer))
	if e := wantKind(t, err, protocol.UnknownOutcome); !strings.Contains(e.Detail, "server gave up") {
		t.Errorf("came as %+v", e)
	}
}

// serveOn starts s and returns its address and what Serve will return.
func serveOn(t testing.TB, s *Server) (string, <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	return ln.Addr().String(), done
}

func TestShutdownLetsRequestsEnd(t *testing.T) {
	s := NewServer(ServerConfig{})
	g := newGate()
	Handle(s, "/wait", g.handle)
	addr, served := serveOn(t, s)
	c := client(t, ClientConfig{})
	called := make(chan error, 1)
	go func() {
		called <- c.Call(context.Background(), addr, "/wait", &pb.PrepareRequest{}, new(pb.PrepareAnswer))
	}()
	<-g.entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	close(g.open)
	if err := <-called; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	wantKind(t, c.Call(context.Background(), addr, "/wait", &pb.PrepareRequest{}, new(pb.PrepareAnswer)), protocol.Unavailable)
}

func TestShutdownCuts(t *testing.T) {
	s := NewServer(ServerConfig{})
	ended := make(chan error, 1)
	entered := make(chan struct{})
	Handle(s, "/wait", func(ctx context.Context, _ *pb.PrepareRequest) (*pb.PrepareAnswer, error) {
		close(entered)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	addr, served := serveOn(t, s)
	c := client(t, ClientConfig{})
	called := make(chan error, 1)
	go func() {
		called <- c.Call(context.Background(), addr, "/wait", &pb.PrepareRequest{}, new(pb.PrepareAnswer))
	}()
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v, want the context's end", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context: %v", err)
	}
	wantKind(t, <-called, protocol.UnknownOutcome)
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	eventually(t, "the connections are gone", func() bool { return s.Stats().Conns == 0 })
}

func TestServeAfterShutdown(t *testing.T) {
	s := NewServer(ServerConfig{Name: "late"})
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, served := serveOn(t, s); <-served == nil {
		t.Error("a server that was shut down serves")
	}
}

// TestManyAtOnce has every caller check that the answer is its own.
func TestManyAtOnce(t *testing.T) {
	s := NewServer(ServerConfig{})
	Handle(s, "/echo", func(_ context.Context, q *pb.LookupRequest) (*pb.LookupAnswer, error) {
		return &pb.LookupAnswer{Inline: []byte(q.Name)}, nil
	})
	addr := start(t, s)
	c := client(t, ClientConfig{MaxConnsPerHost: 8})
	var wg sync.WaitGroup
	for caller := range 32 {
		wg.Go(func() {
			for i := range 50 {
				name := fmt.Sprintf("%d/%d/%s", caller, i, strings.Repeat("x", i*20))
				ctx, cancel := context.WithCancel(context.Background())
				var ans pb.LookupAnswer
				if i%10 == 9 {
					go cancel()
				}
				err := c.Call(ctx, addr, "/echo", &pb.LookupRequest{Name: name}, &ans)
				cancel()
				if i%10 != 9 && err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err == nil && string(ans.Inline) != name {
					t.Errorf("asked %q, was answered %q", name, ans.Inline)
				}
			}
		})
	}
	wg.Wait()
	if n := s.Stats().Conns; n > 32*5+8 {
		t.Errorf("%d connections are open", n)
	}
}
