package schedule_test

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

func TestReapWaitsForSessions(t *testing.T) {
	b := newBed(t, 3)
	b.must(&record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: id("session", 1)}}})
	b.put("a", 1, 2, 3)
	b.delete("a")
	b.rounds(10)
	if b.row("a") == nil {
		t.Skip("the state lets this session's mark pass")
	}
	if p := b.plan(b.observe()); !waits(p, state.ClassReap, "sessions are open") {
		t.Errorf("waits for\n%s", p)
	}
	b.must(&record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{Session: id("session", 1)}}})
	b.rounds(10)
	if b.row("a") != nil {
		t.Error("the row stays")
	}
}

// TestReapPassesIdleSessions: a session that has nothing in flight holds W back
// only as far as the version of a while ago.
func TestReapPassesIdleSessions(t *testing.T) {
	b := newBed(t, 3)
	b.must(&record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: id("session", 1)}}})
	b.put("a", 1, 2, 3)
	before := b.observe()
	before.YoungFrom = b.m.Version()
	b.delete("a")
	b.rounds(10)
	before.Nodes = b.observe().Nodes
	if p := b.plan(before); !waits(p, state.ClassReap, "sessions are open") {
		t.Errorf("what was condemned since waits for\n%s", p)
	}
	after := b.observe()
	after.YoungFrom = b.m.Version()
	p := b.plan(after)
	for _, c := range p.Commands {
		b.must(c)
	}
	if b.row("a") != nil {
		t.Errorf("the row stays; planned\n%s", p)
	}
}

// TestClockOfAnotherLeader: what a leader whose clock was years ahead has put off
// does not wait for years.
func TestClockOfAnotherLeader(t *testing.T) {
	grace := uint64(60_000)
	b := newBed(t, 3, func(s *record.Settings) { s.GraceMs = grace })
	b.now += 1 << 40
	b.put("a", 1, 2, 3)
	b.delete("a")
	if p := b.plan(b.observe()); len(p.Commands) != 0 {
		t.Fatalf("its grace has just begun:\n%s", p)
	}
	b.now -= 1 << 40
	b.put("b", 1, 2, 3)
	b.delete("b")
	b.rounds(10)
	if b.row("a") != nil || b.row("b") == nil {
		t.Errorf("a is %v, b is %v; only b's grace is this clock's", b.row("a"), b.row("b"))
	}
}

func TestReapWaitsForALeaderThatIsNew(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	b.delete("a")
	for range 5 {
		obs := b.observe()
		obs.SessionsSettled = false
		p := b.plan(obs)
		for _, n := range p.Orders {
			b.carry(obs, n.Node, n.Orders)
		}
		for _, c := range p.Commands {
			b.must(c)
		}
	}
	if b.row("a") == nil {
		t.Fatal("reaped")
	}
	b.rounds(10)
	if b.row("a") != nil {
		t.Error("the row stays")
	}
}
