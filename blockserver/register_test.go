package blockserver

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// wantUnready checks that n acknowledges nothing and still answers reads.
func wantUnready(t *testing.T, n *node) {
	t.Helper()
	plain := []byte("too early")
	n.wantKind(n.do(http.MethodPut, pathOf(plain), plain), protocol.NotRegistered)
	n.wantKind(n.do(http.MethodPost, protocol.PathBlocks, plain), protocol.NotRegistered)
	_, a := n.touchAll(&pb.TouchRequest{})
	n.wantKind(a, protocol.NotRegistered)
	n.wantKind(n.do(http.MethodGet, pathOf(plain), nil), protocol.NotFound)
	n.wantKind(n.do(http.MethodGet, "/readyz", nil), protocol.NotRegistered)
	if a := n.do(http.MethodGet, "/healthz", nil); a.StatusCode != http.StatusOK {
		t.Errorf("healthz: %d", a.StatusCode)
	}
	if n.Status().GetRegistered() || n.Node() != 0 {
		t.Errorf("status: %v", n.Status())
	}
	select {
	case <-n.Ready():
		t.Error("ready")
	default:
	}
	n.wantEmpty()
}

func TestNothingAcknowledgedBeforeRegister(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t)
	r.answering(func(*pb.RegisterRequest) (*pb.RegisterAnswer, error) {
		return nil, protocol.Errorf(protocol.Unavailable, "no leader yet")
	})
	n := start(t, configFor(t, r.addr))
	if !eventually(func() bool { return len(r.questions()) >= 2 }) {
		t.Fatal("it does not keep trying")
	}
	wantUnready(t, n)
	r.answering(r.admit)
	n.waitReady()
	n.mustPut([]byte("now"))
	if a := n.do(http.MethodGet, "/readyz", nil); a.StatusCode != http.StatusOK {
		t.Errorf("readyz: %d", a.StatusCode)
	}
	asked := r.questions()
	for _, q := range asked {
		if !bytes.Equal(q.GetStart(), asked[0].GetStart()) || len(q.GetStart()) != 16 || q.GetAddress() != n.Addr() || q.GetZone() != "z1" {
			t.Errorf("question: %v", q)
		}
	}
}

func TestRegisterFollowsLeader(t *testing.T) {
	t.Parallel()
	leader, follower := newRegistrar(t), newRegistrar(t)
	follower.answering(func(*pb.RegisterRequest) (*pb.RegisterAnswer, error) {
		return nil, &protocol.Error{Kind: protocol.NotLeader, Leader: leader.addr}
	})
	dead := listen(t)
	_ = dead.Close()
	n := start(t, configFor(t, dead.Addr().String(), follower.addr))
	n.waitReady()
	if n.Node() != 7 || len(leader.questions()) == 0 {
		t.Errorf("node %d after %d questions", n.Node(), len(leader.questions()))
	}
}

func TestRegisterNotLeaderInCircles(t *testing.T) {
	t.Parallel()
	a, b := newRegistrar(t), newRegistrar(t)
	circle := func(to *registrar) func(*pb.RegisterRequest) (*pb.RegisterAnswer, error) {
		return func(*pb.RegisterRequest) (*pb.RegisterAnswer, error) {
			return nil, &protocol.Error{Kind: protocol.NotLeader, Leader: to.addr}
		}
	}
	a.answering(circle(b))
	b.answering(circle(a))
	n := start(t, configFor(t, a.addr))
	if !eventually(func() bool { return len(a.questions()) > 4 }) {
		t.Fatal("it does not keep trying")
	}
	b.answering(b.admit)
	n.waitReady()
}

func TestRegisterMalformedAnswer(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t)
	bad := []*pb.RegisterAnswer{{}, {Node: 1, Cluster: []byte("short"), DiskNumbers: []uint32{0}}, {Node: 1, Cluster: r.cluster[:]}, {Cluster: r.cluster[:], DiskNumbers: []uint32{0}}}
	r.answering(func(q *pb.RegisterRequest) (*pb.RegisterAnswer, error) {
		if len(bad) == 0 {
			return r.admit(q)
		}
		defer func() { bad = bad[1:] }()
		return bad[0], nil
	})
	n := start(t, configFor(t, r.addr))
	n.waitReady()
	if len(r.questions()) != 5 {
		t.Errorf("%d questions", len(r.questions()))
	}
}

func waitFor(t *testing.T, n *node) error {
	t.Helper()
	got := make(chan error, 1)
	go func() { got <- n.Wait() }()
	select {
	case err := <-got:
		return err
	case <-time.After(patience):
		t.Fatal("Wait does not return")
		return nil
	}
}

func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	for _, kind := range []protocol.Kind{protocol.Removed, protocol.WrongCluster} {
		r := newRegistrar(t)
		r.answering(func(*pb.RegisterRequest) (*pb.RegisterAnswer, error) { return nil, protocol.Errorf(kind, "go away") })
		n := start(t, configFor(t, r.addr))
		if err := waitFor(t, n); protocol.KindOf(err) != kind {
			t.Errorf("%s: %v", kind, err)
		}
		wantUnready(t, n)
		cfg := configFor(t, r.addr)
		if err := Run(context.Background(), cfg); protocol.KindOf(err) != kind {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestRestartKeepsIdentity(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t)
	cfg := configFor(t, r.addr)
	n := start(t, cfg)
	n.waitReady()
	plain := noise(9, 5000)
	path := n.mustPut(plain)
	n.stop()
	if err := n.Wait(); err != nil {
		t.Error(err)
	}
	n = start(t, cfg)
	n.waitReady()
	if a := n.do(http.MethodGet, path, nil); !bytes.Equal(a.body, plain) {
		t.Errorf("after a restart: %d", a.StatusCode)
	}
	asked := r.questions()
	first, last := asked[0], asked[len(asked)-1]
	if !bytes.Equal(first.GetIdentity(), last.GetIdentity()) || !bytes.Equal(first.GetDisks()[0].GetDisk(), last.GetDisks()[0].GetDisk()) {
		t.Error("another identity after a restart")
	}
	if bytes.Equal(first.GetStart(), last.GetStart()) {
		t.Error("two starts look like one")
	}
	if first.GetDisks()[0].GetAcks() != 0 || last.GetDisks()[0].GetAcks() == 0 || last.GetHighestSeen().GetCounter() != 50 {
		t.Errorf("shown after one acknowledgement: %v", last)
	}
	n.stop()

	r.cluster = protocol.ID{9}
	n = start(t, cfg)
	if err := waitFor(t, n); protocol.KindOf(err) != protocol.WrongCluster {
		t.Errorf("another cluster: %v", err)
	}
}

func TestRunEndsWithContext(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t)
	cfg := configFor(t, r.addr)
	cfg.Listener = listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg) }()
	if !eventually(func() bool { return len(r.questions()) == 1 }) {
		t.Error("never registered")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	good := configFor(t, "127.0.0.1:1")
	for name, change := range map[string]func(*Config){
		"no metaserver":  func(c *Config) { c.Metaservers = nil },
		"no disk":        func(c *Config) { c.Data = nil },
		"too many disks": func(c *Config) { c.Data = make([]store.Dir, protocol.MaxDisks+1) },
		"zone":           func(c *Config) { c.Zone = string(make([]byte, protocol.MaxZoneLength+1)) },
		"memory":         func(c *Config) { c.MaxMemory = MinMaxMemory - 1 },
		"not loopback":   func(c *Config) { c.Listen = "0.0.0.0:0" },
		"not reachable":  func(c *Config) { c.Listen, c.Insecure = "0.0.0.0:0", true },
		"bad advertise":  func(c *Config) { c.Advertise = "nowhere" },
	} {
		cfg := good
		change(&cfg)
		if _, err := Start(context.Background(), cfg); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := good
	cfg.Listen = "256.0.0.1:x"
	if _, err := Start(context.Background(), cfg); protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("listen: %v", err)
	}
}
