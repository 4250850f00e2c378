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

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"

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
	if !polled(ok) {
		t.Fatalf("not in time: %s", what)
	}
}

// polled looks until ok is true, or patience ends.
func polled(ok func() bool) bool {
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(2 * time.Millisecond)
	}
	return true
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
	mu      sync.Mutex // guards Replica and running against clients beside the test
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
			go m.hurry()
			if err := m.Bootstrap(within(t), g.cluster, &record.Settings{Redundancy: 3, Quorum: 2}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		g.join(m)
	}
	return g
}

// hurry has a member stand for election as soon as it is one, whatever its
// timeouts are.
func (m *member) hurry() {
	if polled(func() bool { return named(m.servers(), m.name) }) {
		m.elect(m)
	}
}

// elect tells another member to stand for election now.
func (m *member) elect(other *member) {
	now := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}}
	_ = m.engine.transport.TimeoutNow(raft.ServerID(other.name), raft.ServerAddress(other.address), now, &raft.TimeoutNowResponse{})
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
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Replica, m.running = r, true
	return nil
}

func (m *member) start() {
	m.g.t.Helper()
	if err := m.open(); err != nil {
		m.g.t.Fatal(err)
	}
}

// now is the member as it is, for a client beside the test.
func (m *member) now() *Replica {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Replica
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
	return getFrom(ctx, m.Replica, level, key)
}

func getFrom(ctx context.Context, r *Replica, level pb.Level, key string) (string, error) {
	v, err := r.View(ctx, level, protocol.Version{})
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
		var v state.View
		until(g.t, "a leader shows its state", func() (ok bool) {
			var err error
			v, err = g.leader().View(within(g.t), pb.Level_LEVEL_LINEARIZABLE, protocol.Version{})
			if err != nil && protocol.KindOf(err) != protocol.NotLeader {
				g.t.Fatal(err)
			}
			return err == nil
		})
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
