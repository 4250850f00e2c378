package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Futures that raft itself never answers when it shuts down.
		goleak.IgnoreAnyFunction("github.com/hashicorp/raft.(*deferError).Error"))
}

// patience bounds every wait for a state.
const patience = 60 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// until polls for a state.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// group is replicas in one process, on loopback, over a network that can be cut.
type group struct {
	t       testing.TB
	net     *network
	cluster protocol.ID
	dir     string
	tweak   func(*Config)
	members []*member
}

// member is one folder and address, with a replica on it while it runs.
type member struct {
	*Replica
	g       *group
	name    string
	dir     string
	address string
	fatal   chan error
	running bool
}

func newGroup(t testing.TB, n int, tweak func(*Config)) *group {
	t.Helper()
	g := &group{t: t, net: newNetwork(), dir: t.TempDir(), tweak: tweak}
	_, _ = rand.Read(g.cluster[:])
	t.Cleanup(g.close)
	for i := range n {
		m := g.add(fmt.Sprintf("m%d", i))
		m.start()
		if i == 0 {
			if err := m.Bootstrap(within(t), g.cluster, &record.Settings{Redundancy: 3, Quorum: 2}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		g.join(m)
	}
	return g
}

// join makes a running replica a voter, whoever leads meanwhile.
func (g *group) join(m *member) {
	g.t.Helper()
	if err := m.Adopt(g.cluster); err != nil {
		g.t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for {
		err := g.leader().AddMember(within(g.t), m.name, m.address)
		if err == nil {
			return
		}
		if protocol.KindOf(err) == protocol.InvalidArgument || time.Now().After(deadline) {
			g.t.Fatal(err)
		}
	}
}

func (g *group) add(name string) *member {
	m := &member{g: g, name: name, dir: filepath.Join(g.dir, name), fatal: make(chan error, 1)}
	g.members = append(g.members, m)
	return m
}

func (m *member) config() Config {
	cfg := Config{
		Dir: m.dir, ID: m.name, Advertise: m.address,
		HeartbeatTimeout: 300 * time.Millisecond, ElectionTimeout: 300 * time.Millisecond, LeaderLeaseTimeout: 150 * time.Millisecond,
		CommitTimeout: 5 * time.Millisecond, SnapshotInterval: 20 * time.Millisecond, SnapshotThreshold: 1 << 40,
		DialTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second,
		OnFatal: func(err error) { m.fatal <- err },
		dial:    m.g.net.dialer(m.name),
		noSync:  true,
	}
	if os.Getenv("ASHLAR_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("member", m.name)
	}
	if m.g.tweak != nil {
		m.g.tweak(&cfg)
	}
	return cfg
}

// open starts the replica on its folder and its address of before.
func (m *member) open() error {
	at := m.address
	if at == "" {
		at = "127.0.0.1:0"
	}
	var ln net.Listener
	until(m.g.t, "the port is free again", func() (ok bool) {
		var err error
		ln, err = net.Listen("tcp", at)
		return err == nil
	})
	m.address = ln.Addr().String()
	m.g.net.name(m.address, m.name)
	cfg := m.config()
	cfg.Listener = ln
	r, err := Open(cfg)
	if err != nil {
		return err
	}
	m.Replica, m.running = r, true
	return nil
}

func (m *member) start() {
	m.g.t.Helper()
	if err := m.open(); err != nil {
		m.g.t.Fatal(err)
	}
}

// kill stops the replica without any courtesy to the others.
func (m *member) kill() {
	m.running = false
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.shut(ctx, false); err != nil {
		m.g.t.Logf("kill %s: %v", m.name, err)
	}
}

func (m *member) stop() {
	m.g.t.Helper()
	m.running = false
	if err := m.Close(within(m.g.t)); err != nil {
		m.g.t.Fatal(err)
	}
}

func (g *group) close() {
	g.net.heal()
	for _, m := range g.members {
		if m.running {
			m.kill()
		}
	}
}

// leader waits for a member that leads and may serve.
func (g *group) leader() *member {
	g.t.Helper()
	var found *member
	until(g.t, "a leader", func() bool {
		for _, m := range g.members {
			if m.running && m.lead.now.Load().Leader && (found == nil || m.logs.Term() > found.logs.Term()) {
				found = m
			}
		}
		return found != nil && found.lead.now.Load().Leader
	})
	return found
}

func (g *group) others(than *member) (out []*member) {
	for _, m := range g.members {
		if m != than && m.running {
			out = append(out, m)
		}
	}
	return out
}

func put(key, value string) *record.Command {
	return &record.Command{Body: &record.Command_Commit{Commit: &pb.CommitRequest{
		Bucket: "bucket", Name: key, Inline: []byte(value), Size: uint64(len(value)),
	}}}
}

// put proposes through whoever leads until the outcome is known to be success.
func (g *group) put(key, value string) protocol.Version {
	g.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		r, err := g.leader().Propose(within(g.t), put(key, value))
		if err == nil && r.Kind == 0 {
			return protocol.Version{Generation: r.Version.Generation, Counter: r.Version.Counter}
		}
		if err == nil || time.Now().After(deadline) {
			g.t.Fatalf("put: %v %v", r, err)
		}
	}
}

func read(v state.View, key string) (string, error) {
	a, err := state.Lookup(v, &pb.LookupRequest{Bucket: "bucket", Name: key})
	if errors.Is(err, &protocol.Error{Kind: protocol.NotFound}) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return string(a.Inline), nil
}

func (m *member) get(ctx context.Context, level pb.Level, key string) (string, error) {
	v, err := m.View(ctx, level, protocol.Version{})
	if err != nil {
		return "", err
	}
	defer v.Close()
	return read(v, key)
}

// same waits until every running member has applied what the leader has, and
// compares their digests and counters.
func (g *group) same() {
	g.t.Helper()
	var target uint64
	var want []byte
	{
		l := g.leader()
		v, err := l.View(within(g.t), pb.Level_LEVEL_LINEARIZABLE, protocol.Version{})
		if err != nil {
			g.t.Fatal(err)
		}
		row, err := state.ClusterRow(v)
		if err = errors.Join(err, state.Check(v), v.Close()); err != nil {
			g.t.Fatal(err)
		}
		target, want = row.AppliedIndex, row.Digest
	}
	for _, m := range g.members {
		if !m.running {
			continue
		}
		var row *record.Cluster
		until(g.t, m.name+" has applied the leader's last entry", func() bool {
			v, err := m.View(within(g.t), pb.Level_LEVEL_STALE, protocol.Version{})
			if err != nil {
				g.t.Fatal(err)
			}
			defer v.Close()
			if row, err = state.ClusterRow(v); err != nil {
				g.t.Fatal(err)
			}
			return row.AppliedIndex >= target
		})
		if row.AppliedIndex == target && string(row.Digest) != string(want) {
			g.t.Fatalf("%s has digest %x at entry %d, the leader %x", m.name, row.Digest, target, want)
		}
	}
}

// network decides which member reaches which.
type network struct {
	mu    sync.Mutex
	names map[string]string // address: member
	cuts  map[[2]string]bool
	conns map[*wire]bool
}

// wire is one connection, by who dialed it and to whom.
type wire struct {
	net.Conn
	net      *network
	from, to string
	role     link.Role
	mu       sync.Mutex
	hold     chan struct{} // not nil: what comes back waits for its closing
}

func newNetwork() *network {
	return &network{names: map[string]string{}, cuts: map[[2]string]bool{}, conns: map[*wire]bool{}}
}

func (n *network) name(address, member string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[address] = member
}

var errCut = errors.New("the network is cut")

func (n *network) dialer(from string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		n.mu.Lock()
		to := n.names[address]
		cut := n.cuts[[2]string{from, to}]
		n.mu.Unlock()
		if cut {
			return nil, errCut
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		w := &wire{Conn: c, net: n, from: from, to: to}
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.cuts[[2]string{from, to}] {
			_ = c.Close()
			return nil, errCut
		}
		n.conns[w] = true
		return w, nil
	}
}

func (w *wire) Close() error {
	w.net.mu.Lock()
	delete(w.net.conns, w)
	w.net.mu.Unlock()
	return w.Conn.Close()
}

// Write notes the role, which the first bytes name.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.role == 0 {
		if h, err := link.ParseHello(p); err == nil {
			w.role = h.Role
		}
	}
	w.mu.Unlock()
	return w.Conn.Write(p)
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	hold := w.hold
	w.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return n, err
}

// cut ends what goes between a and b, in both directions, and keeps it ended.
func (n *network) cut(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[[2]string{a, b}], n.cuts[[2]string{b, a}] = true, true
	for w := range n.conns {
		if w.from == a && w.to == b || w.from == b && w.to == a {
			_ = w.Conn.Close()
			delete(n.conns, w)
		}
	}
}

// hold keeps back what comes back to a member over the raft role, until the
// function it returns is called. Other roles go on.
func (n *network) hold(from string) (release func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	gate := make(chan struct{})
	for w := range n.conns {
		w.mu.Lock()
		if w.from == from && w.role == link.RoleRaft {
			w.hold = gate
		}
		w.mu.Unlock()
	}
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for w := range n.conns {
			w.mu.Lock()
			if w.hold == gate {
				w.hold = nil
			}
			w.mu.Unlock()
		}
		close(gate)
	})
}

// isolate cuts one member off from all others.
func (g *group) isolate(m *member) {
	for _, o := range g.members {
		if o != m {
			g.net.cut(m.name, o.name)
		}
	}
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cuts)
}
