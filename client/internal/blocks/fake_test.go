package blocks

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/client/internal/meta"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The servers' library: one clock for the process, and one that looks every
		// ten seconds whether its server was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// world is a fleet, blockservers that do as they like, and a metaserver that
// tells of them.
type world struct {
	t     *testing.T
	fleet *Fleet
	codec *Codec
	nodes []*node

	mu       sync.Mutex
	reports  map[string]int
	told     []*pb.ClaimsRequest
	prepared []int
	// wants is what prepare tells of a bucket; failing has it fail.
	wants   map[string]*pb.PrepareAnswer
	failing bool
	live    map[protocol.Hash]bool
	layout  *pb.Layout
	layouts int
	// hold, if set, is waited for by prepare.
	hold chan struct{}
}

// node is a blockserver that serves what its functions say.
type node struct {
	id   protocol.NodeID
	addr string

	mu sync.Mutex
	// get answers a GET; put an upload, nil for an honest one.
	get  func(ctx *fasthttp.RequestCtx) error
	put  func(ctx *fasthttp.RequestCtx) error
	hits int
	kept map[string][]byte
}

func (n *node) serves(get func(*fasthttp.RequestCtx) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.get = get
}

func (n *node) takes(put func(*fasthttp.RequestCtx) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.put = put
}

func (n *node) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hits
}

func newWorld(t *testing.T, count int) *world {
	t.Helper()
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, codec: codec, reports: map[string]int{}, live: map[protocol.Hash]bool{}}
	w.layout = &pb.Layout{LayoutVersion: 1, Redundancy: uint32(min(count, 3)), Quorum: 2, Width: uint32(min(count, 3)), Version: &pb.Version{Generation: 1, Counter: 9}}
	for i := range count {
		w.nodes = append(w.nodes, w.serve(protocol.NodeID(i+1)))
		w.layout.Nodes = append(w.layout.Nodes, &pb.BlockNode{Node: uint32(i + 1), Address: w.nodes[i].addr, State: pb.NodeState_NODE_STATE_UP})
	}
	for range protocol.Partitions {
		for i := range w.layout.Width {
			w.layout.Table = append(w.layout.Table, i+1)
		}
	}
	transport := rpc.NewClient(rpc.ClientConfig{MaxAnswer: 4 * protocol.MaxBlockSize})
	group, err := meta.NewGroup(meta.Config{Caller: w, Endpoints: []string{"meta"}, Pause: func(context.Context, time.Duration) {}})
	if err != nil {
		t.Fatal(err)
	}
	w.fleet = NewFleet(Config{Doer: transport, Meta: group, Codec: codec, Buffers: &Buffers{}, StragglerBytes: 1 << 20})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.fleet.Close(ctx)
		transport.Close()
	})
	return w
}

func (w *world) serve(id protocol.NodeID) *node {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	n := &node{id: id, addr: ln.Addr().String(), kept: map[string][]byte{}}
	s := rpc.NewServer(rpc.ServerConfig{Name: "fake", MaxBody: protocol.MaxStoredSize})
	s.HandleRaw(protocol.PathBlocks+"/", func(ctx *fasthttp.RequestCtx) error {
		n.mu.Lock()
		n.hits++
		get, put := n.get, n.put
		n.mu.Unlock()
		switch {
		case !ctx.IsPut():
			return get(ctx)
		case put != nil:
			return put(ctx)
		}
		return n.honest(ctx)
	})
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
		<-served
	})
	return n
}

// ack is an honest acknowledgement of the block that ctx speaks of.
func (n *node) ack(ctx *fasthttp.RequestCtx) *pb.Ack {
	h, err := protocol.ParseHash(strings.TrimPrefix(string(ctx.Request.Header.RequestURI()), protocol.PathBlocks+"/"))
	if err != nil {
		return nil
	}
	v, err := protocol.ParseVersion(string(ctx.Request.Header.Peek(protocol.HeaderVersion)))
	if err != nil {
		return nil
	}
	size, _ := strconv.Atoi(string(ctx.Request.Header.Peek(protocol.HeaderPlainSize)))
	return &pb.Ack{Hash: h[:], Node: uint32(n.id), Incarnation: 1, Ack: 1, Version: &pb.Version{Generation: v.Generation, Counter: v.Counter}, PlainSize: uint32(size), StoredSize: uint32(len(ctx.PostBody()))}
}

func (n *node) honest(ctx *fasthttp.RequestCtx) error {
	a := n.ack(ctx)
	if a == nil {
		return protocol.Errorf(protocol.InvalidArgument, "not a store")
	}
	n.mu.Lock()
	n.kept[string(a.GetHash())] = append([]byte(nil), ctx.PostBody()...)
	n.mu.Unlock()
	return rpc.Reply(ctx, 201, a)
}

// sends answers with body, called zstd if so.
func sends(body []byte, zstd bool) func(*fasthttp.RequestCtx) error {
	return func(ctx *fasthttp.RequestCtx) error {
		if zstd {
			ctx.Response.Header.Set(fasthttp.HeaderContentEncoding, "zstd")
		}
		ctx.Response.SetBody(body)
		return nil
	}
}

func fails(k protocol.Kind) func(*fasthttp.RequestCtx) error {
	return func(*fasthttp.RequestCtx) error { return protocol.Errorf(k, "says the fake") }
}

// Call is the metaserver.
func (w *world) Call(_ context.Context, _, path string, req, ans rpc.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch path {
	case protocol.PathLayout:
		w.layouts++
		body, _ := w.layout.MarshalVT()
		return ans.UnmarshalVT(body)
	case protocol.PathPrepare:
		hashes := req.(*pb.PrepareRequest).GetHashes()
		w.prepared = append(w.prepared, len(hashes)/protocol.HashSize)
		if w.hold != nil {
			w.mu.Unlock()
			<-w.hold
			w.mu.Lock()
		}
		if w.failing {
			return protocol.Errorf(protocol.InvalidArgument, "says the fake")
		}
		if wants := w.wants[req.(*pb.PrepareRequest).GetBucket()]; wants != nil {
			body, _ := wants.MarshalVT()
			if err := ans.UnmarshalVT(body); err != nil {
				return err
			}
		}
		for ; len(hashes) > 0; hashes = hashes[protocol.HashSize:] {
			a := ans.(*pb.PrepareAnswer)
			a.Live = append(a.Live, w.live[protocol.Hash(hashes)])
		}
	case protocol.PathReport:
		q := req.(*pb.ReportRequest)
		w.reports[fmt.Sprintf("%d %v", q.GetNode(), protocol.Kind(q.GetCause()))]++
	case protocol.PathClaims:
		q := req.(*pb.ClaimsRequest)
		if n := len(q.GetBlocks().GetPlainSizes()); n > protocol.MaxBlocksPerPage {
			return protocol.Errorf(protocol.InvalidArgument, "%d blocks", n)
		}
		w.told = append(w.told, q)
	}
	return nil
}

// asked counts the requests for a layout.
func (w *world) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.layouts
}

func (w *world) reported() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]int{}
	for k, v := range w.reports {
		out[k] = v
	}
	return out
}

// eventually polls for a state.
func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !fn(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came about: %s", what)
		}
	}
}
