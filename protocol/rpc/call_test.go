package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

var (
	testCluster  = protocol.ID{0xc1, 15: 1}
	otherCluster = protocol.ID{0xc2, 15: 2}
)

func inTestCluster() protocol.ID { return testCluster }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// start serves s on a free loopback port until the test ends.
func start(t testing.TB, s *Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func client(t testing.TB, cfg ClientConfig) *Client {
	t.Helper()
	c := NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// echo answers a prepare with as many live bits as there are hashes.
func echo(_ context.Context, q *pb.PrepareRequest) (*pb.PrepareAnswer, error) {
	return &pb.PrepareAnswer{Live: make([]bool, len(q.Hashes)/protocol.HashSize), LayoutVersion: uint64(len(q.Hashes))}, nil
}

// fails registers a path whose handler returns err.
func fails(s *Server, path string, err error) {
	Handle(s, path, func(context.Context, *pb.LookupRequest) (*pb.LookupAnswer, error) { return nil, err })
}

// wantKind fails the test unless err is a *protocol.Error of that kind.
func wantKind(t testing.TB, err error, want protocol.Kind) *protocol.Error {
	t.Helper()
	var e *protocol.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("error %v, want kind %s", err, want)
	}
	return e
}

func TestCall(t *testing.T) {
	s := NewServer(ServerConfig{Cluster: inTestCluster})
	Handle(s, protocol.PathPrepare, echo)
	addr := start(t, s)
	c := client(t, ClientConfig{})
	for _, n := range []int{0, 1, 1000} {
		var ans pb.PrepareAnswer
		req := &pb.PrepareRequest{Hashes: make([]byte, n*protocol.HashSize)}
		if err := c.Call(context.Background(), addr, protocol.PathPrepare, req, &ans); err != nil {
			t.Fatal(err)
		}
		if len(ans.Live) != n || ans.LayoutVersion != uint64(n*protocol.HashSize) {
			t.Errorf("%d hashes: %d live bits, %d bytes", n, len(ans.Live), ans.LayoutVersion)
		}
	}
	if c.Cluster() != testCluster {
		t.Errorf("the client learned cluster %s", c.Cluster())
	}
	if got := s.Stats(); got.Requests != 3 || got.Conns != 1 {
		t.Errorf("stats %+v, want 3 requests on 1 connection", got)
	}
}

func TestCallCarriesErrors(t *testing.T) {
	s := NewServer(ServerConfig{Cluster: inTestCluster})
	refused := []protocol.Hash{protocol.HashOf([]byte("a")), protocol.HashOf([]byte("b"))}
	fails(s, "/not-leader", &protocol.Error{Kind: protocol.NotLeader, Detail: "ask the leader", Leader: "127.0.0.1:7401"})
	fails(s, "/refused", &protocol.Error{Kind: protocol.ClaimsRefused, Refused: refused})
	fails(s, "/foreign", io.ErrNoProgress)
	fails(s, "/ended", context.DeadlineExceeded)
	addr := start(t, s)
	c := client(t, ClientConfig{})
	call := func(path string) error {
		return c.Call(context.Background(), addr, path, &pb.LookupRequest{Name: "a"}, new(pb.LookupAnswer))
	}
	e := wantKind(t, call("/not-leader"), protocol.NotLeader)
	if e.Leader != "127.0.0.1:7401" || e.Detail != "ask the leader" || e.RequestID == "" {
		t.Errorf("not-leader came as %+v", e)
	}
	if e := wantKind(t, call("/refused"), protocol.ClaimsRefused); len(e.Refused) != 2 || e.Refused[1] != refused[1] {
		t.Errorf("refused hashes came as %v", e.Refused)
	}
	if e := wantKind(t, call("/foreign"), protocol.Internal); strings.Contains(e.Detail, io.ErrNoProgress.Error()) {
		t.Errorf("an internal error's text got out: %q", e.Detail)
	}
	wantKind(t, call("/ended"), protocol.UnknownOutcome)
	wantKind(t, call("/nowhere"), protocol.NotFound)
	wantKind(t, call("/../x"), protocol.InvalidArgument)
	wantKind(t, c.Call(context.Background(), "no port", "/x", &pb.LookupRequest{}, new(pb.LookupAnswer)), protocol.InvalidArgument)
}

// TestEveryKindCrosses sends each kind from one end to the other.
func TestEveryKindCrosses(t *testing.T) {
	s := NewServer(ServerConfig{})
	kind := make(chan protocol.Kind, 1)
	s.HandleRaw("/kind", func(*fasthttp.RequestCtx) error { return &protocol.Error{Kind: <-kind, Detail: "x"} })
	addr := start(t, s)
	c := client(t, ClientConfig{})
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	for k := protocol.Internal; k.String() != protocol.Kind(0xffff).String() && !strings.HasPrefix(k.String(), "kind-"); k++ {
		for _, method := range []string{fasthttp.MethodPost, fasthttp.MethodGet, fasthttp.MethodHead} {
			kind <- k
			req.Reset()
			req.Header.SetMethod(method)
			e := wantKind(t, c.Do(context.Background(), addr, "/kind", req, resp), k)
			if resp.StatusCode() != k.HTTPStatus() || (method != fasthttp.MethodHead && e.Detail != "x") {
				t.Errorf("%s by %s: status %d, %+v", k, method, resp.StatusCode(), e)
			}
		}
	}
}

func TestClusterMismatch(t *testing.T) {
	s := NewServer(ServerConfig{Cluster: inTestCluster})
	ran := false
	Handle(s, protocol.PathPrepare, func(ctx context.Context, q *pb.PrepareRequest) (*pb.PrepareAnswer, error) {
		ran = true
		return echo(ctx, q)
	})
	addr := start(t, s)
	foreign := client(t, ClientConfig{Cluster: otherCluster})
	err := foreign.Call(context.Background(), addr, protocol.PathPrepare, &pb.PrepareRequest{}, new(pb.PrepareAnswer))
	wantKind(t, err, protocol.WrongCluster)
	if ran {
		t.Error("the handler ran for a foreign cluster")
	}
	if foreign.Cluster() != otherCluster {
		t.Error("a refusal changed the client's cluster")
	}
}

// TestClusterPinned: after its first answer a client takes none of another
// cluster, even from a server that does not look.
func TestClusterPinned(t *testing.T) {
	first := NewServer(ServerConfig{Cluster: inTestCluster})
	Handle(first, protocol.PathPrepare, echo)
	second := NewServer(ServerConfig{})
	second.HandleRaw(protocol.PathPrepare, func(ctx *fasthttp.RequestCtx) error {
		ctx.Response.Header.Set(protocol.HeaderCluster, otherCluster.String())
		return Reply(ctx, fasthttp.StatusOK, &pb.PrepareAnswer{})
	})
	c := client(t, ClientConfig{})
	if err := c.Call(context.Background(), start(t, first), protocol.PathPrepare, &pb.PrepareRequest{}, new(pb.PrepareAnswer)); err != nil {
		t.Fatal(err)
	}
	err := c.Call(context.Background(), start(t, second), protocol.PathPrepare, &pb.PrepareRequest{}, new(pb.PrepareAnswer))
	wantKind(t, err, protocol.WrongCluster)
	if c.Cluster() != testCluster {
		t.Errorf("the client moved to cluster %s", c.Cluster())
	}
}

func TestRequestIDs(t *testing.T) {
	s := NewServer(ServerConfig{})
	Handle(s, "/id", func(ctx context.Context, _ *pb.LookupRequest) (*pb.LookupAnswer, error) {
		return &pb.LookupAnswer{Inline: []byte(RequestID(ctx))}, nil
	})
	s.HandleRaw("/raw/", func(ctx *fasthttp.RequestCtx) error {
		ctx.SetBodyString(RequestID(ctx) + " " + RequestID(Context(ctx)) + " " + RawPath(ctx))
		return nil
	})
	addr := start(t, s)
	get := func(id string) (*http.Response, string) {
		req, _ := http.NewRequest(http.MethodGet, "http://"+addr+"/raw/x?q", nil)
		req.Header.Set(protocol.HeaderRequest, id)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	if resp, body := get("mine-7"); body != "mine-7 mine-7 /raw/x" || resp.Header.Get(protocol.HeaderRequest) != "mine-7" {
		t.Errorf("request mine-7 was answered %q %v", body, resp.Header)
	}
	resp, body := get("")
	if id := resp.Header.Get(protocol.HeaderRequest); id == "" || body != id+" "+id+" /raw/x" {
		t.Errorf("a request without an id was answered %q %v", body, resp.Header)
	}
	if resp, _ := get(strings.Repeat("a", protocol.MaxRequestID+1)); resp.StatusCode != 400 {
		t.Errorf("a long id was answered %s", resp.Status)
	}
	var ans pb.LookupAnswer
	c := client(t, ClientConfig{})
	if err := c.Call(context.Background(), addr, "/id", &pb.LookupRequest{}, &ans); err != nil || len(ans.Inline) == 0 {
		t.Errorf("Handle sees request id %q, %v", ans.Inline, err)
	}
	if RequestID(context.Background()) != "" {
		t.Error("an id from nowhere")
	}
}
