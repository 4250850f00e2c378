package metaserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestExactlyOnceAcrossLeaders(t *testing.T) {
	g := startGroup(t, 3, nil)
	s := g.session()
	req := s.commitInline("once", []byte("first"))
	var first, again pb.CommitAnswer
	g.must(protocol.PathCommit, req, &first)
	other := s.commitInline("once", []byte("second"))
	var second pb.CommitAnswer
	g.must(protocol.PathCommit, other, &second)

	old := g.leader()
	g.stop(slices.Index(g.servers, old))
	if g.leader() == old {
		t.Fatal("a closed server leads")
	}
	other2 := other
	other2.Call.LowestUnacked = other.Call.Sequence
	g.must(protocol.PathCommit, other2, &again)
	if again.Version.GetCounter() != second.Version.GetCounter() || again.Replaced != second.Replaced {
		t.Errorf("the new leader answers %v, the old one answered %v", &again, &second)
	}
	g.refused(protocol.StaleRequest, protocol.PathCommit, req, &again)
	got, err := g.lookup(g.leader(), "once", pb.Level_LEVEL_LINEARIZABLE, nil)
	if err != nil || !bytes.Equal(got.Inline, []byte("second")) {
		t.Errorf("the object is %v, %v", got, err)
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	g := startGroup(t, 3, nil)
	nodes := []*node{g.register(), g.register()}
	s := g.session()
	for i := range 20 {
		g.must(protocol.PathCommit, s.commitInline(fmt.Sprint("inline", i), fmt.Append(nil, "content", i)), &pb.CommitAnswer{})
	}
	b, claims := g.blocks(3, nodes...)
	last := s.commitBlocks("blocks", b, claims)
	var ans, again pb.CommitAnswer
	g.must(protocol.PathCommit, last, &ans)
	before := g.counters()

	for i := range g.servers {
		g.stop(i)
	}
	for i := range g.servers {
		if i == 0 {
			g.configs[i].Bootstrap = true // on a folder of the same cluster: no error, no effect
		}
		g.start(i)
	}
	g.waitReady()
	after := g.counters()
	if after.Objects != before.Objects || after.References != before.References || after.CountedCopies != before.CountedCopies || after.LogicalBytes != before.LogicalBytes {
		t.Errorf("counters are %v, before %v", after, before)
	}
	g.must(protocol.PathCommit, last, &again)
	if again.Version.GetCounter() != ans.Version.GetCounter() {
		t.Errorf("the same call is answered with %v, then %v", ans.Version, again.Version)
	}
	for i := range 20 {
		got, err := g.lookup(g.leader(), fmt.Sprint("inline", i), pb.Level_LEVEL_LINEARIZABLE, nil)
		if err != nil || !bytes.Equal(got.Inline, fmt.Append(nil, "content", i)) {
			t.Errorf("object %d is %v, %v", i, got, err)
		}
	}
}

func TestCloseUnderLoad(t *testing.T) {
	g := startGroup(t, 3, nil)
	const lanes = 16
	var stop atomic.Bool
	var all sync.WaitGroup
	acked := make([]int, lanes)
	for lane := range lanes {
		s := g.session()
		all.Go(func() {
			for i := 1; !stop.Load(); i++ {
				req := s.commitInline(fmt.Sprint("load", lane), fmt.Append(nil, i))
				for passes(g.client.Call(g.base, g.leader().ClientAddr(), protocol.PathCommit, req, &pb.CommitAnswer{})) {
					if stop.Load() {
						return
					}
				}
				acked[lane] = i
			}
		})
	}
	old := g.leader()
	begun := old.Status().AppliedIndex
	g.eventually("the load has begun", func() bool { return old.Status().AppliedIndex > begun+20 })
	if err := old.Close(g.context()); err != nil {
		t.Errorf("close under load: %v", err)
	}
	next := g.leader()
	begun = next.Status().AppliedIndex
	g.eventually("the load goes on", func() bool { return next.Status().AppliedIndex > begun+20 })
	stop.Store(true)
	all.Wait()
	for lane, last := range acked {
		got, err := g.lookup(g.leader(), fmt.Sprint("load", lane), pb.Level_LEVEL_LINEARIZABLE, nil)
		var stored int
		if _, serr := fmt.Sscan(string(got.GetInline()), &stored); err != nil || serr != nil || stored < last || stored > last+1 {
			t.Errorf("lane %d had %d acknowledged; stored is %q, %v", lane, last, got.GetInline(), err)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	cfg := metaserver.Config{Dir: t.TempDir(), Bootstrap: true, ClientListen: "127.0.0.1:0", RaftListen: "127.0.0.1:0", Replica: quickReplica()}
	var err error
	if cfg.AdminListener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	admin := "http://" + cfg.AdminListener.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- metaserver.Run(ctx, cfg) }()
	g := &group{t: t}
	g.eventually("it is ready", func() bool {
		status, _ := curl(t, "GET", admin+"/readyz", "", "")
		return status == 200
	})
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("a graceful end: %v", err)
		}
	case <-time.After(generous):
		t.Fatal("Run does not end")
	}
}

func TestMinorityKnowsNoLeader(t *testing.T) {
	g := startGroup(t, 3, nil)
	leader := g.leader()
	for i, s := range g.servers {
		if s != leader {
			g.stop(i)
		}
	}
	g.eventually("the leader alone steps down and says why", func() bool {
		err := g.client.Call(g.context(), leader.ClientAddr(), protocol.PathSessionOpen, &pb.SessionOpenRequest{}, &pb.SessionOpenAnswer{})
		return protocol.KindOf(err) == protocol.Unavailable
	})
	if err := g.client.Call(g.context(), leader.ClientAddr(), protocol.PathLayout, &pb.LayoutRequest{}, &pb.Layout{}); err != nil {
		t.Errorf("without a leader any replica answers layout: %v", err)
	}
}

func TestIdleSessionsExpire(t *testing.T) {
	g := startGroup(t, 1, func(cfg *metaserver.Config) {
		cfg.Timing = dispatch.Timing{SessionIdle: 200 * time.Millisecond, SessionRounds: 4}
	})
	s := g.session()
	g.eventually("the session is expired", func() bool { return g.counters().Sessions == 0 })
	g.refused(protocol.SessionExpired, protocol.PathCommit, s.commitInline("late", []byte("late")), &pb.CommitAnswer{})
}

func TestUnreachableNodesAreListed(t *testing.T) {
	g := startGroup(t, 1, nil)
	nodes := []*node{g.register(), g.register()}
	_ = nodes[1].alive.Close()
	reachable := func() (up, down int) {
		var lay pb.Layout
		g.must(protocol.PathLayout, &pb.LayoutRequest{}, &lay)
		for _, n := range lay.Nodes {
			if n.Reachable {
				up++
			} else {
				down++
			}
		}
		return up, down
	}
	g.eventually("one node is flagged", func() bool {
		up, down := reachable()
		return up == 1 && down == 1
	})
}

func TestStartRefuses(t *testing.T) {
	good := metaserver.Config{Dir: t.TempDir(), ClientListen: "127.0.0.1:0", RaftListen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Bootstrap: true}
	for _, tc := range []struct {
		name  string
		kind  protocol.Kind
		spoil func(*metaserver.Config)
	}{
		{"no folder", protocol.InvalidArgument, func(c *metaserver.Config) { c.Dir = "" }},
		{"no port", protocol.InvalidArgument, func(c *metaserver.Config) { c.RaftListen = "" }},
		{"open to others", protocol.InvalidArgument, func(c *metaserver.Config) { c.ClientListen = ":0" }},
		{"every address and none named", protocol.InvalidArgument, func(c *metaserver.Config) { c.ClientListen, c.Insecure = ":0", true }},
		{"neither bootstrap nor join", protocol.InvalidArgument, func(c *metaserver.Config) { c.Bootstrap = false }},
		{"both", protocol.InvalidArgument, func(c *metaserver.Config) { c.Join = []string{"127.0.0.1:1"} }},
		{"quorum above redundancy", protocol.InvalidArgument, func(c *metaserver.Config) { c.Redundancy, c.Quorum = 2, 3 }},
		{"files without identity", protocol.Corrupt, func(c *metaserver.Config) {
			c.Dir = t.TempDir()
			if err := os.WriteFile(filepath.Join(c.Dir, "something"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"port taken", protocol.Unavailable, func(c *metaserver.Config) { c.AdminListen = "256.0.0.1:1" }},
	} {
		cfg := good
		tc.spoil(&cfg)
		s, err := metaserver.Start(t.Context(), cfg)
		if protocol.KindOf(err) != tc.kind {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.kind)
		}
		if s != nil {
			_ = s.Close(t.Context())
		}
	}
}

func TestLostLogIsRefused(t *testing.T) {
	g := startGroup(t, 1, nil)
	g.stop(0)
	if err := os.RemoveAll(filepath.Join(g.configs[0].Dir, "replica")); err != nil {
		t.Fatal(err)
	}
	g.configs[0].Bootstrap = true
	s, err := metaserver.Start(t.Context(), g.configs[0])
	if !errors.Is(err, &protocol.Error{Kind: protocol.Corrupt}) {
		t.Errorf("a formed folder without its log: %v", err)
	}
	if s != nil {
		_ = s.Close(t.Context())
	}
}
