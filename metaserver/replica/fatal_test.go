package replica

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// stub is a listener that nobody calls.
type stub struct{ net.Listener }

func (stub) Close() error   { return nil }
func (stub) Addr() net.Addr { return &net.TCPAddr{} }

// A failed append ends the leader: its proposer learns nothing false, its port
// closes, OnFatal is told, and the others go on.
func TestFailedAppendEndsTheLeader(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	g := newGroup(t, 3, nil)
	g.put("key", "before")
	l := g.leader()
	l.logs.Inject(func() error { return broken })
	_, err := l.Propose(within(t), put("key", "lost"))
	switch protocol.KindOf(err) {
	case protocol.UnknownOutcome, protocol.Unavailable:
	default:
		t.Fatalf("a failed append answered %v", err)
	}
	if err := <-l.fatal; !errors.Is(err, broken) {
		t.Fatalf("OnFatal was told %v", err)
	}
	if _, err := l.View(within(t), pb.Level_LEVEL_STALE, protocol.Version{}); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("a failed replica reads: %v", err)
	}
	if !strings.Contains(l.Status().Fatal, "input/output") {
		t.Fatalf("status says %q", l.Status().Fatal)
	}
	until(t, "the port is closed", func() bool {
		c, err := net.Dial("tcp", l.address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	l.kill()
	g.put("key", "after")
	l.start()
	g.put("key", "again")
	g.same()
}

// A digest that differs from the leader's stops the replica that finds it.
func TestDivergedStateEndsTheReplica(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[0]
	marked, err := m.Propose(within(t), &record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}})
	if err != nil || marked.Kind != 0 {
		t.Fatalf("%v %v", marked, err)
	}
	same := &record.CompareDigest{Mark: marked.GetDigest().GetMark(), Digest: marked.GetDigest().GetDigest()}
	if r, err := m.Propose(within(t), &record.Command{Body: &record.Command_CompareDigest{CompareDigest: same}}); err != nil || r.Kind != 0 {
		t.Fatalf("%v %v", r, err)
	}
	other := &record.CompareDigest{Mark: same.Mark, Digest: make([]byte, 32)}
	if _, err := m.Propose(within(t), &record.Command{Body: &record.Command_CompareDigest{CompareDigest: other}}); err == nil {
		t.Fatal("a diverged replica answers")
	}
	if err := <-m.fatal; !errors.Is(err, state.ErrDiverged) || !strings.Contains(err.Error(), "replace-member") {
		t.Fatalf("OnFatal was told %v", err)
	}
	if _, err := m.Propose(within(t), put("key", "value")); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("a diverged replica takes commands: %v", err)
	}
}

func TestForeignClusterReachesNobody(t *testing.T) {
	t.Parallel()
	a, b := newGroup(t, 1, nil), newGroup(t, 1, nil)
	x, y := a.members[0], b.members[0]
	if _, err := x.layer.Stream().Dial(raft.ServerAddress(y.address), 5*time.Second); protocol.KindOf(err) != protocol.WrongCluster {
		t.Fatalf("raft role: %v", err)
	}
	if _, err := x.layer.DialTerm(within(t), y.name, y.address); protocol.KindOf(err) != protocol.WrongCluster {
		t.Fatalf("term role: %v", err)
	}
	ctx, cancel := context.WithTimeout(within(t), 300*time.Millisecond)
	defer cancel()
	if err := x.AddMember(ctx, "stranger", y.address); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("a foreign member: %v", err)
	}
	for _, m := range x.Status().Members {
		if m.ID == "stranger" && m.Voter {
			t.Fatal("a foreign replica votes")
		}
	}
	if err := y.Adopt(a.cluster); protocol.KindOf(err) != protocol.WrongCluster {
		t.Fatalf("a change of cluster: %v", err)
	}
	a.put("key", "a")
	b.put("key", "b")
}

// A leader whose disk stalls still sends heartbeats; it must not keep the group
// from electing another, and comes back when the disk does.
func TestAStalledDiskGivesLeadershipUp(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	g.put("key", "before")
	l := g.leader()
	resume := make(chan struct{})
	l.logs.Inject(func() error { <-resume; return nil })
	outcome := make(chan error, 1)
	go func() {
		_, err := l.Propose(context.Background(), put("key", "stalled"))
		outcome <- err
	}()
	until(t, "another leader", func() bool {
		for _, m := range g.others(l) {
			if m.lead.now.Load().Leader {
				return true
			}
		}
		return false
	})
	close(resume)
	if err := <-outcome; err != nil && protocol.KindOf(err) != protocol.UnknownOutcome && protocol.KindOf(err) != protocol.NotLeader {
		t.Fatalf("the stalled proposal: %v", err)
	}
	g.put("key", "after")
	g.same()
}
