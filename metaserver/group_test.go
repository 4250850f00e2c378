package metaserver_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/metaserver"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// TestMain finds goroutines that outlive their server, but for fasthttp's two that
// end on a timer of their own or never.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// generous is how long a state may take to come about on a busy machine.
const generous = 60 * time.Second

// group is a group of metaservers in this process.
type group struct {
	t       testing.TB
	dir     string
	configs []metaserver.Config
	servers []*metaserver.Server
	client  *rpc.Client
	base    context.Context
}

func quickReplica() replica.Config {
	return replica.Config{
		HeartbeatTimeout: 400 * time.Millisecond, ElectionTimeout: 400 * time.Millisecond,
		LeaderLeaseTimeout: 200 * time.Millisecond, CacheBytes: 8 << 20,
	}
}

func logger(t testing.TB) *slog.Logger {
	if os.Getenv("ASHLAR_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// startGroup forms a group of n: one bootstraps, the others join at once.
func startGroup(t testing.TB, n int, change func(*metaserver.Config)) *group {
	t.Helper()
	g := &group{t: t, dir: t.TempDir(), base: context.Background(), client: rpc.NewClient(rpc.ClientConfig{MaxConnsPerHost: 256, Timeout: generous})}
	for i := range n {
		cfg := metaserver.Config{
			Dir:          filepath.Join(g.dir, fmt.Sprint("meta", i)),
			ClientListen: "127.0.0.1:0", RaftListen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
			Bootstrap: i == 0,
			Logger:    logger(t).With("server", i),
			Timing:    dispatch.Timing{PingEvery: 50 * time.Millisecond, UnreferenceTick: 100 * time.Millisecond},
			Replica:   quickReplica(),
		}
		if i > 0 {
			cfg.Join = []string{g.servers[0].AdminAddr()}
		}
		if change != nil {
			change(&cfg)
		}
		g.configs = append(g.configs, cfg)
		g.start(i)
	}
	t.Cleanup(g.close)
	g.waitReady()
	return g
}

// start starts server i; after the first time on the ports that it had.
func (g *group) start(i int) {
	g.t.Helper()
	s, err := metaserver.Start(g.context(), g.configs[i])
	if err != nil {
		g.t.Fatalf("start server %d: %v", i, err)
	}
	if i == len(g.servers) {
		g.servers = append(g.servers, nil)
	}
	g.servers[i] = s
	c := &g.configs[i]
	c.ClientListen, c.RaftListen, c.AdminListen = s.ClientAddr(), s.RaftAddr(), s.AdminAddr()
	c.Bootstrap, c.Join = false, nil
}

func (g *group) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	g.t.Cleanup(cancel)
	return ctx
}

func (g *group) waitReady() {
	g.t.Helper()
	for i, s := range g.servers {
		select {
		case <-s.Ready():
		case <-time.After(generous):
			g.t.Fatalf("server %d is not ready; its status is %+v", i, s.Status())
		}
	}
}

// stop closes server i.
func (g *group) stop(i int) {
	g.t.Helper()
	if g.servers[i] == nil {
		return
	}
	if err := g.servers[i].Close(g.context()); err != nil {
		g.t.Errorf("close server %d: %v", i, err)
	}
	g.servers[i] = nil
}

func (g *group) close() {
	for i := range g.servers {
		g.stop(i)
	}
	g.client.Close()
}

// eventually polls for a state.
func (g *group) eventually(what string, fn func() bool) {
	g.t.Helper()
	for end := time.Now().Add(generous); !fn(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("never came about: %s", what)
		}
	}
}

// leader waits for one server that leads.
func (g *group) leader() *metaserver.Server {
	g.t.Helper()
	var found *metaserver.Server
	g.eventually("a leader", func() bool {
		for _, s := range g.servers {
			if s != nil && s.IsLeader() {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// followers are the running servers that do not lead.
func (g *group) followers() (out []*metaserver.Server) {
	leader := g.leader()
	for _, s := range g.servers {
		if s != nil && s != leader {
			out = append(out, s)
		}
	}
	return out
}

// passes tells errors that a client tries again on.
func passes(err error) bool {
	switch protocol.KindOf(err) {
	case protocol.NotLeader, protocol.Unavailable, protocol.Busy, protocol.UnknownOutcome:
		return true
	}
	return false
}

// try asks the leader, and again while it changes.
func (g *group) try(path string, req, ans rpc.Message) (err error) {
	g.t.Helper()
	g.eventually(path+" is answered", func() bool {
		err = g.client.Call(g.context(), g.leader().ClientAddr(), path, req, ans)
		return !passes(err)
	})
	return err
}

// must is try, without an error.
func (g *group) must(path string, req, ans rpc.Message) {
	g.t.Helper()
	if err := g.try(path, req, ans); err != nil {
		g.t.Fatalf("%s: %v", path, err)
	}
}

// refused wants an error of the kind.
func (g *group) refused(kind protocol.Kind, path string, req, ans rpc.Message) {
	g.t.Helper()
	if err := g.try(path, req, ans); protocol.KindOf(err) != kind {
		g.t.Errorf("%s answers %v, want %v", path, err, kind)
	}
}

func (g *group) counters() *pb.Counters {
	g.t.Helper()
	var st pb.ClusterStatus
	g.must(protocol.PathClusterStatus, &pb.ClusterStatusRequest{}, &st)
	if st.Counters == nil {
		return &pb.Counters{}
	}
	return st.Counters
}

// session is a client's session.
type session struct {
	g        *group
	id       []byte
	opened   *pb.Version
	sequence uint64
}

func (g *group) session() *session {
	g.t.Helper()
	var ans pb.SessionOpenAnswer
	g.must(protocol.PathSessionOpen, &pb.SessionOpenRequest{}, &ans)
	if len(ans.Session) != 16 || ans.Window != protocol.SessionWindow {
		g.t.Fatalf("opened %v", &ans)
	}
	return &session{g: g, id: ans.Session, opened: ans.Version}
}

func (s *session) call() *pb.Call {
	s.sequence++
	return &pb.Call{Session: s.id, Opened: s.opened, Sequence: s.sequence, LowestUnacked: s.sequence}
}

// node is a blockserver that only says that it holds what it is asked about.
type node struct {
	number      uint32
	incarnation uint64
	acks        uint64
	version     *pb.Version
	alive       net.Listener
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// register admits a node through the real verb. It answers pings by listening.
func (g *group) register() *node {
	g.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	health := rpc.NewServer(rpc.ServerConfig{Name: "fake"})
	health.HandleRaw(protocol.PathStatus, healthy)
	served := make(chan error, 1)
	go func() { served <- health.Serve(ln) }()
	g.t.Cleanup(func() {
		_ = health.Shutdown(g.context())
		<-served
	})
	n := &node{alive: ln}
	var ans pb.RegisterAnswer
	g.must(protocol.PathNodeRegister, &pb.RegisterRequest{
		Identity: randomBytes(16), Address: ln.Addr().String(), Start: randomBytes(16),
		Disks: []*pb.DiskInfo{{Disk: randomBytes(16), CapacityBytes: 1 << 30}},
	}, &ans)
	if ans.Node == 0 || ans.Incarnation == 0 || len(ans.Cluster) != 16 || len(ans.DiskNumbers) != 1 {
		g.t.Fatalf("registered %v", &ans)
	}
	n.number, n.incarnation, n.version = ans.Node, ans.Incarnation, ans.Version
	return n
}

// claim is the node's word for block i of a request, at version v.
func (n *node) claim(i int, v *pb.Version) *pb.Claim {
	n.acks++
	return &pb.Claim{Block: uint32(i), Node: n.number, Incarnation: n.incarnation, Ack: n.acks, Generation: v.Generation, Counter: v.Counter}
}

// blocks makes up n blocks of random hashes with claims by all nodes.
func (g *group) blocks(n int, nodes ...*node) (*pb.Blocks, []*pb.Claim) {
	g.t.Helper()
	b := &pb.Blocks{Hashes: randomBytes(32 * n)}
	for range n {
		b.PlainSizes = append(b.PlainSizes, 1000)
		b.StoredSizes = append(b.StoredSizes, 600)
	}
	return b, g.claims(n, nodes...)
}

// claims are all nodes' words for blocks 0 to n-1, at a fresh version.
func (g *group) claims(n int, nodes ...*node) (claims []*pb.Claim) {
	g.t.Helper()
	var prep pb.PrepareAnswer
	g.must(protocol.PathPrepare, &pb.PrepareRequest{}, &prep)
	for i := range n {
		for _, node := range nodes {
			claims = append(claims, node.claim(i, prep.Version))
		}
	}
	return claims
}

func (s *session) commitInline(name string, content []byte) *pb.CommitRequest {
	digest := protocol.HashOf(content)
	return &pb.CommitRequest{Call: s.call(), Bucket: "bucket", Name: name, Size: uint64(len(content)), Digest: digest[:], Inline: content}
}

func (s *session) commitBlocks(name string, b *pb.Blocks, claims []*pb.Claim) *pb.CommitRequest {
	digest := protocol.HashOf(b.Hashes) // any digest will do: nobody has the bytes
	return &pb.CommitRequest{Call: s.call(), Bucket: "bucket", Name: name, Size: 1000 * uint64(len(b.PlainSizes)), Digest: digest[:], Blocks: b, Claims: claims}
}

// lookup asks one server.
func (g *group) lookup(s *metaserver.Server, name string, level pb.Level, min *pb.Version) (*pb.LookupAnswer, error) {
	var ans pb.LookupAnswer
	err := g.client.Call(g.context(), s.ClientAddr(), protocol.PathLookup, &pb.LookupRequest{Bucket: "bucket", Name: name, Level: level, MinVersion: min}, &ans)
	return &ans, err
}
