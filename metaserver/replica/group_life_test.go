package replica

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestLeaderIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	for i := range 20 {
		g.put(fmt.Sprintf("key-%d", i), "before")
	}
	old := g.leader()
	old.kill()
	for i := range 20 {
		g.put(fmt.Sprintf("key-%d", i), "after")
	}
	if got, err := g.leader().get(within(t), pb.Level_LEVEL_LINEARIZABLE, "key-7"); err != nil || got != "after" {
		t.Fatalf("read %q, %v", got, err)
	}
	old.start()
	g.put("last", "one")
	g.same()
}

func TestEveryoneStopsAndStarts(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	for i := range 50 {
		g.put(fmt.Sprintf("key-%d", i), "value")
	}
	g.same()
	before := g.leader().Status()
	for _, m := range g.members {
		m.stop()
	}
	for _, m := range g.members {
		m.start()
	}
	if after := g.leader().Status(); after.Version != before.Version || len(after.Members) != 3 {
		t.Fatalf("version %s became %s, members %v", before.Version, after.Version, after.Members)
	}
	g.put("another", "value")
	g.same()
}

// A follower that misses more than the log still holds takes a snapshot, while
// the group serves; a new member does too. The log holds enough behind a snapshot
// that who has taken one can catch up from there on a slow machine: the next one may
// be made, and the log cut, before it is installed.
func TestSnapshotIsInstalledWhileServing(t *testing.T) {
	t.Parallel()
	const trailing = 60
	g := newGroup(t, 3, func(cfg *Config) { cfg.SnapshotThreshold, cfg.TrailingLogs = 20, trailing })
	behind := g.others(g.leader())[0]
	behind.kill()
	stop, done := make(chan struct{}), make(chan struct{})
	side := g.members[0]
	go func() {
		defer close(done)
		// Where it does not lead it refuses at once, and asking on without a pause would
		// take a processor from the others.
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = side.now().Propose(context.Background(), put(fmt.Sprintf("side-%d", i), "value"))
			}
		}
	}()
	for i := range 100 {
		g.put(fmt.Sprintf("key-%d", i), strings.Repeat("v", 1000))
	}
	until(t, "a snapshot, and a log that begins far above what it has", func() bool { return g.leader().Status().Snapshot.Index > trailing+50 })
	behind.start()
	fresh := g.add("fresh")
	fresh.start()
	g.join(fresh)
	for _, m := range []*member{behind, fresh} {
		until(t, m.name+" has a snapshot of the leader's", func() bool { return m.Status().Snapshot.Index > 0 })
	}
	close(stop)
	<-done
	g.same()
	if got := len(g.leader().Status().Members); got != 4 {
		t.Fatalf("%d members", got)
	}
	behind.kill()
	behind.start()
	fresh.kill()
	fresh.start()
	g.put("last", "value")
	g.same()
}

// A reader keeps its moment while a restore puts another state in its place.
func TestViewOutlivesARestore(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(cfg *Config) { cfg.TrailingLogs = 1 })
	g.put("key", "old")
	behind := g.others(g.leader())[0]
	var view state.View
	until(t, "the follower has the key", func() bool {
		got, err := behind.get(within(t), pb.Level_LEVEL_STALE, "key")
		return err == nil && got == "old"
	})
	view, err := behind.View(within(t), pb.Level_LEVEL_STALE, protocol.Version{})
	if err != nil {
		t.Fatal(err)
	}
	g.isolate(behind)
	g.put("key", "new")
	for range 200 {
		g.put("other", "value")
	}
	until(t, "the leader takes a snapshot", func() bool { return g.leader().Snapshot() == nil })
	g.net.heal()
	until(t, "the follower has the new value", func() bool {
		got, err := behind.get(within(t), pb.Level_LEVEL_STALE, "key")
		return err == nil && got == "new"
	})
	if got, err := read(view, "key"); err != nil || got != "old" {
		t.Fatalf("the moment has become %q, %v", got, err)
	}
	if err := view.Close(); err != nil {
		t.Fatal(err)
	}
	g.same()
}

func TestMembersComeAndGo(t *testing.T) {
	t.Parallel()
	told := make(chan string, 3)
	g := newGroup(t, 3, func(cfg *Config) {
		id := cfg.ID
		cfg.OnRemoved = func() { told <- id }
	})
	l := g.leader()
	gone := g.others(l)[0]
	until(t, "the configuration is applied", func() bool { return len(l.Status().Members) == 3 })
	for what, c := range map[string]struct {
		id, address string
		want        protocol.Kind
	}{
		"a member again":                {gone.name, gone.address, 0},
		"a member at another address":   {gone.name, "127.0.0.1:1", protocol.InvalidArgument},
		"another member at its address": {"impostor", gone.address, protocol.InvalidArgument},
	} {
		// Leadership may move on a slow machine.
		until(t, what, func() bool {
			err := g.leader().AddMember(within(t), c.id, c.address)
			if kind := protocol.KindOf(err); kind != c.want && kind != protocol.NotLeader && kind != protocol.UnknownOutcome {
				t.Fatalf("%s: %v", what, err)
			}
			return protocol.KindOf(err) == c.want
		})
	}
	until(t, "a follower refuses to add", func() bool {
		return protocol.KindOf(g.others(g.leader())[0].AddMember(within(t), "impostor", gone.address)) == protocol.NotLeader
	})
	until(t, "the member is removed", func() bool { return g.leader().RemoveMember(within(t), gone.name) == nil })
	select {
	case who := <-told:
		if who != gone.name {
			t.Fatalf("%s was told", who)
		}
	case <-time.After(patience):
		t.Fatal("the member was not told")
	}
	until(t, "removing it again is no error", func() bool { return g.leader().RemoveMember(within(t), gone.name) == nil })
	gone.kill()
	until(t, "the leader refuses to remove itself, and is none any more", func() bool {
		l := g.leader()
		return protocol.KindOf(l.RemoveMember(within(t), l.name)) == protocol.NotLeader
	})
	g.put("key", "value")
	g.same()
}

// A change that the leader's log has and no other's is no change: saying "it is so
// already" of it would be wrong as soon as the others have another leader.
func TestAChangeIsNoneUntilCommitted(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(cfg *Config) {
		cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 2*time.Second, 2*time.Second, 2*time.Second
	})
	l := g.leader()
	gone := g.others(l)[0]
	g.isolate(l)
	first := make(chan error, 1)
	go func() { first <- l.RemoveMember(within(t), gone.name) }()
	until(t, "the leader's log has the change", func() bool { return len(l.servers()) == 2 || !l.lead.now.Load().Leader })
	if err := l.RemoveMember(within(t), gone.name); protocol.KindOf(err) != protocol.UnknownOutcome && protocol.KindOf(err) != protocol.NotLeader {
		t.Errorf("removed twice: %v", err)
	}
	if err := <-first; err == nil {
		t.Error("a leader that reaches nobody has removed a member")
	}
	g.put("key", "value")
	g.net.heal()
	until(t, "the member is one still", func() bool { return len(g.leader().servers()) == 3 })
	g.same()
}

// Nobody stands for election of itself before the test's patience ends: who leads
// was told to.
func TestCloseHandsLeadershipOn(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(cfg *Config) {
		cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 2*patience, 2*patience, 2*patience
	})
	old := g.leader()
	term := old.Status().Term
	old.stop()
	l := g.leader()
	if l == old || l.Status().Term != term+1 {
		t.Fatalf("after term %d, %s leads in term %d", term, l.name, l.Status().Term)
	}
	if _, err := old.Propose(within(t), put("key", "value")); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("a closed replica proposes: %v", err)
	}
	if _, err := old.View(within(t), pb.Level_LEVEL_STALE, protocol.Version{}); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("a closed replica reads: %v", err)
	}
	if err := old.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	for range old.Leadership() {
	}
}

func TestLeadershipIsToldAfterTheTermsOwnEntry(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[0]
	var got Leadership
	for got = range m.Leadership() {
		if got.Leader {
			break
		}
	}
	if want := (Leadership{Leader: true, Term: m.Status().Term}); got != want {
		t.Fatalf("%+v, not %+v", got, want)
	}
}

func TestBootstrapIsRepeatable(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[0]
	if err := m.Bootstrap(within(t), g.cluster, &record.Settings{Redundancy: 3, Quorum: 2}); err != nil {
		t.Fatal(err)
	}
	if err := m.Bootstrap(within(t), protocol.ID{1}, nil); protocol.KindOf(err) != protocol.WrongCluster {
		t.Fatalf("another cluster: %v", err)
	}
	m.stop()
	m.start()
	if err := m.Bootstrap(within(t), g.cluster, nil); err != nil {
		t.Fatal(err)
	}
}

// A deposed leader holds entries of its own that nobody else has, beyond the
// others' snapshot. It takes the snapshot, gives those entries up, and goes on.
func TestALongerLogOfAnotherHistoryIsGivenUp(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(cfg *Config) {
		cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = time.Second, time.Second, time.Second
		cfg.TrailingLogs = 1
	})
	g.put("key", "before")
	g.same()
	old := g.leader()
	g.isolate(old)
	var lost sync.WaitGroup
	end, _ := old.logs.LastIndex()
	for i := range MaxInFlight {
		lost.Go(func() { _, _ = old.Propose(within(t), put("key", "lost")) })
		until(t, "the entry is in its log", func() bool {
			last, _ := old.logs.LastIndex()
			return last > end+uint64(i) || old.node().State() != raft.Leader
		})
	}
	lost.Wait()
	last, _ := old.logs.LastIndex()
	g.put("key", "after")
	for {
		l := g.leader()
		until(t, "a snapshot", func() bool { return l.Snapshot() == nil && l.Status().Snapshot.Index > end })
		if s := l.Status(); s.FirstLog > end+1 || s.LastLog > last+10 {
			t.Logf("the old log ends at %d, the snapshot at %d, the log begins at %d", last, s.Snapshot.Index, s.FirstLog)
			break
		}
		g.put("key", "after")
	}
	g.net.heal()
	until(t, "the old leader has the new value", func() bool {
		got, err := old.get(within(t), pb.Level_LEVEL_STALE, "key")
		return err == nil && got == "after"
	})
	g.put("key", "last")
	g.same()
}
