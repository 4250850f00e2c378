package replica

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// votes tells whether who counts this member in its majorities.
func (m *member) votes(who *member) bool {
	for _, s := range who.servers() {
		if string(s.ID) == m.name {
			return s.Suffrage == raft.Voter
		}
	}
	return false
}

// removeUncommitted cuts a leader and the member that it removes off from the others,
// and returns the latter once it has the entry, and the others another leader: raft
// sends it there as well as it can, so it may take more than one try.
func (g *group) removeUncommitted() (gone *member) {
	g.t.Helper()
	until(g.t, "a member's log has the entry that removes it", func() bool {
		leader := g.leader()
		gone = g.others(leader)[0]
		for _, m := range g.others(leader)[1:] {
			g.net.cut(leader.name, m.name)
			g.net.cut(gone.name, m.name)
		}
		done := make(chan error, 1)
		go func() { done <- leader.RemoveMember(within(g.t), gone.name) }()
		until(g.t, "the removal has come to an end", func() bool {
			if leader.removed(gone.name) || leader.Removed(gone.name) || gone.Removed(gone.name) {
				g.t.Error("an entry that is not committed has removed a member")
			}
			return len(done) > 0
		})
		if err := <-done; err == nil {
			g.t.Error("two of five have removed a member")
		}
		// Without an entry that these have committed since, either could still be elected
		// and commit the removal.
		until(g.t, "the others have a leader", func() bool { return g.leader() != leader })
		if !named(gone.servers(), gone.name) {
			return true
		}
		g.net.heal()
		g.put("key", "another try")
		g.same()
		return false
	})
	return gone
}

// A leader that reaches one member of four removes just that one. The entry is in two
// logs of five and never committed: the others go on with five members, and the one is
// one of them. Were it told, it would end, and a live voter's disk be wiped.
func TestAnUncommittedRemovalIsNone(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"it runs on": false, "it starts again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := make(chan string, 5)
			g := newGroup(t, 5, func(cfg *Config) {
				id := cfg.ID
				cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 2*time.Second, 2*time.Second, 2*time.Second
				cfg.OnRemoved = func() { told <- id }
			})
			g.put("key", "value")
			g.same()
			gone := g.removeUncommitted()
			if restart {
				gone.kill()
				gone.start()
			}
			g.net.heal()
			g.put("key", "healed")
			g.same()
			until(t, "the member is a voter still, and knows it", func() bool { return gone.votes(g.leader()) && gone.votes(gone) })
			if len(told) > 0 {
				t.Errorf("%s was told that it is removed", <-told)
			}
		})
	}
}

// A leader that others have replaced does not know it at once: what it has not heard of
// has been removed as little as what was never there. It says so of nobody before a
// majority has said that it leads.
func TestAReplacedLeaderTellsNobodyThatItIsRemoved(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(cfg *Config) {
		// Nobody notices in this test's time that a leader has gone.
		cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 2*patience, 2*patience, 2*patience
		cfg.ReadTimeout, cfg.DialTimeout = time.Second, 4*time.Second
	})
	old := g.leader()
	others := g.others(old)
	if !old.removed("nobody") {
		t.Error("a leader does not say who is no member")
	}
	g.isolate(old)
	others[0].elect(others[1])
	until(t, "there is another leader", func() bool { return others[1].lead.now.Load().Leader })
	fresh := g.add("fresh")
	fresh.start()
	if err := fresh.Adopt(g.cluster); err != nil {
		t.Fatal(err)
	}
	if err := others[1].AddMember(within(t), fresh.name, fresh.address); err != nil {
		t.Fatal(err)
	}
	if !old.lead.now.Load().Leader {
		t.Fatal("the old leader knows that it is replaced: this test shows nothing")
	}
	if c, err := fresh.layer.DialTerm(within(t), old.name, old.address); err != nil {
		t.Errorf("a member is told by a leader that is none: %v", err)
	} else {
		_ = c.Close()
	}
}

// What is known to be committed grows, whatever comes late, and the member's own past
// in it is not forgotten.
func TestCommittedConfigurations(t *testing.T) {
	t.Parallel()
	servers := func(ids ...raft.ServerID) (out []raft.Server) {
		for _, id := range ids {
			out = append(out, raft.Server{ID: id})
		}
		return out
	}
	c := committed{self: "me"}
	if c.newest().known() {
		t.Error("something is known from the beginning")
	}
	for _, step := range []struct {
		index uint64
		ids   []raft.ServerID
		at    uint64
		named bool
	}{
		{3, []raft.ServerID{"a"}, 3, false},
		{5, []raft.ServerID{"a", "me"}, 5, true},
		{4, []raft.ServerID{"a", "b"}, 5, true},
		{5, []raft.ServerID{"b"}, 5, true},
		{7, []raft.ServerID{"a"}, 7, true},
	} {
		c.learn(step.index, servers(step.ids...))
		if got := c.newest(); !got.known() || got.index != step.at || got.named != step.named {
			t.Errorf("after entry %d: %+v", step.index, got)
		}
	}
	if named(c.newest().servers, "me") || !named(c.newest().servers, "a") {
		t.Errorf("the last configuration is %v", c.newest().servers)
	}
}

// A start knows the configuration that the state has gone past, with and without a
// snapshot, before raft hears from anybody.
func TestAStartKnowsTheCommittedConfiguration(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(cfg *Config) { cfg.TrailingLogs = 1 })
	g.put("key", "value")
	g.same()
	m := g.others(g.leader())[0]
	alone := func() {
		t.Helper()
		m.stop()
		g.isolate(m)
		m.start()
		if last := m.committed.newest(); len(last.servers) != 3 || !last.named || m.Removed(m.name) {
			t.Errorf("%+v is known", last)
		}
		g.net.heal()
		g.same()
	}
	alone()
	for range 20 {
		g.put("key", "value")
	}
	g.same()
	if err := m.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if m.Status().FirstLog <= m.committed.newest().index {
		t.Fatal("the log has the configuration still: this test shows nothing")
	}
	alone()
}
