package blockserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// patience bounds every wait for a state; reaching it is a failure.
const patience = 20 * time.Second

// TestMain looks for goroutines left behind. Some are fasthttp's and not to be
// stopped: one keeps the Date header, others sleep for up to ten seconds after
// their server was shut down or their client closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// registrar is the verb of a metaserver that a blockserver needs, with the
// answers of a test's choice.
type registrar struct {
	addr    string
	cluster protocol.ID

	mu    sync.Mutex
	asked []*pb.RegisterRequest
	// prepares counts the questions for the version.
	prepares int
	answer   func(q *pb.RegisterRequest) (*pb.RegisterAnswer, error)
}

// latest is the counter that the registrar has given out.
const latest = 1 << 40

// newRegistrar serves until the test ends and admits every node as number 7.
func newRegistrar(t testing.TB) *registrar {
	t.Helper()
	r := &registrar{cluster: protocol.ID{1, 2, 3}}
	r.answer = r.admit
	server := rpc.NewServer(rpc.ServerConfig{Name: "registrar", Cluster: func() protocol.ID { return r.cluster }})
	rpc.Handle(server, protocol.PathNodeRegister, r.register)
	rpc.Handle(server, protocol.PathPrepare, func(context.Context, *pb.PrepareRequest) (*pb.PrepareAnswer, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.prepares++
		return &pb.PrepareAnswer{Version: &pb.Version{Generation: 1, Counter: latest}}, nil
	})
	ln := listen(t)
	r.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(server.Shutdown(ctx), <-done); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *registrar) register(_ context.Context, q *pb.RegisterRequest) (*pb.RegisterAnswer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q)
	return r.answer(q)
}

func (r *registrar) admit(q *pb.RegisterRequest) (*pb.RegisterAnswer, error) {
	a := &pb.RegisterAnswer{Node: 7, Incarnation: 3, Cluster: r.cluster[:], Version: &pb.Version{Generation: max(1, q.GetHighestSeen().GetGeneration()), Counter: 50}}
	for i := range q.GetDisks() {
		a.DiskNumbers = append(a.DiskNumbers, uint32(i))
	}
	return a, nil
}

// answering replaces the answer.
func (r *registrar) answering(fn func(q *pb.RegisterRequest) (*pb.RegisterAnswer, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = fn
}

func (r *registrar) questions() []*pb.RegisterRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*pb.RegisterRequest(nil), r.asked...)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// node is a blockserver under test and a plain HTTP client for it.
type node struct {
	*Server
	t    testing.TB
	http *http.Client
}

// configFor is a one-disk node that asks the given metaservers.
func configFor(t testing.TB, metaservers ...string) Config {
	return Config{
		Listen: "127.0.0.1:0", Metaservers: metaservers, Zone: "z1",
		Data: []store.Dir{{Path: t.TempDir()}}, Logger: slog.New(slog.DiscardHandler),
	}
}

// start runs a node until the test ends; it need not be registered yet.
func start(t testing.TB, cfg Config) *node {
	t.Helper()
	s, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Server: s, t: t, http: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
	t.Cleanup(n.stop)
	return n
}

func (n *node) stop() {
	n.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		n.t.Error(err)
	}
}

// startReady runs a registered node.
func startReady(t testing.TB, change ...func(*Config)) *node {
	t.Helper()
	cfg := configFor(t, newRegistrar(t).addr)
	for _, fn := range change {
		fn(&cfg)
	}
	n := start(t, cfg)
	n.waitReady()
	return n
}

func (n *node) waitReady() {
	n.t.Helper()
	select {
	case <-n.Ready():
	case <-time.After(patience):
		n.t.Fatal("not registered in time")
	}
}

// answer is a whole HTTP answer.
type answer struct {
	*http.Response
	body []byte
}

// problem is what the tests read of a problem+json body.
type problem struct {
	Kind, Detail string
}

func (a answer) kind() string {
	var p problem
	if json.Unmarshal(a.body, &p) != nil {
		return ""
	}
	return p.Kind
}

// do sends one request with headers given as name, value, name, value.
func (n *node) do(method, path string, body []byte, headers ...string) answer {
	n.t.Helper()
	req, err := http.NewRequest(method, "http://"+n.Addr()+path, bytes.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := n.http.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{resp, got}
}

// mustPut stores plain bytes and returns their path.
func (n *node) mustPut(plain []byte) string {
	n.t.Helper()
	path := pathOf(plain)
	if a := n.do(http.MethodPut, path, plain); a.StatusCode != http.StatusCreated {
		n.t.Fatalf("PUT: %d %s", a.StatusCode, a.body)
	}
	return path
}

// wantKind fails unless a is the problem of that kind.
func (n *node) wantKind(a answer, kind protocol.Kind) {
	n.t.Helper()
	if a.StatusCode != kind.HTTPStatus() || a.kind() != kind.String() {
		n.t.Errorf("answered %d %s, not %d %s", a.StatusCode, a.body, kind.HTTPStatus(), kind)
	}
	if ct := a.Header.Get("Content-Type"); ct != protocol.TypeProblem {
		n.t.Errorf("a problem came as %q", ct)
	}
}

// wantEmpty fails if anything is stored or memory is still charged.
func (n *node) wantEmpty() {
	n.t.Helper()
	items, _, _, err := n.store.List(context.Background(), protocol.Hash{}, 10)
	if err != nil || len(items) != 0 {
		n.t.Errorf("stored: %v, %v", items, err)
	}
	n.wantNoLease()
}

func (n *node) wantNoLease() {
	n.t.Helper()
	if !eventually(func() bool { return n.memory.used.Load() == 0 }) {
		n.t.Errorf("%d bytes are still charged", n.memory.used.Load())
	}
}

func eventually(done func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if done() {
			return true
		}
	}
	return done()
}

func pathOf(plain []byte) string { return protocol.PathBlocks + "/" + protocol.HashOf(plain).String() }

// noise returns n bytes that do not shrink, the same for the same seed.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	out := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(out)
	return out
}

func compress(t testing.TB, plain []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	return w.EncodeAll(plain, nil)
}

func expand(t testing.TB, stored []byte) []byte {
	t.Helper()
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	plain, err := r.DecodeAll(stored, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
