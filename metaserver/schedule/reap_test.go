package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
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

// TestClockOfAnotherLeader: what a leader whose clock was ahead has put off waits no
// longer than what the present one puts off, be it by years or by an hour.
func TestClockOfAnotherLeader(t *testing.T) {
	for _, ahead := range []int64{1 << 40, time.Hour.Milliseconds(), schedule.MaxSkewMs + 1} {
		grace := uint64(60_000)
		b := newBed(t, 3, func(s *record.Settings) { s.GraceMs = grace })
		b.now += ahead
		b.put("a", 1, 2, 3)
		b.delete("a")
		if p := b.plan(b.observe()); len(p.Commands) != 0 {
			t.Fatalf("%d ms ahead: its grace has just begun:\n%s", ahead, p)
		}
		b.now -= ahead
		b.put("b", 1, 2, 3)
		b.delete("b")
		b.rounds(10)
		if b.row("a") != nil || b.row("b") == nil {
			t.Errorf("%d ms ahead: a is %v, b is %v; only b's grace is this clock's", ahead, b.row("a"), b.row("b"))
		}
	}
}

// TestClocksNearlyTheSame: a clock that is a little behind the one before cuts no
// grace short.
func TestClocksNearlyTheSame(t *testing.T) {
	b := newBed(t, 3, func(s *record.Settings) { s.GraceMs = 60_000 })
	b.put("a", 1, 2, 3)
	b.delete("a")
	b.now -= schedule.MaxSkewMs
	b.rounds(10)
	if b.row("a") == nil {
		t.Error("it had no grace")
	}
	b.now += schedule.MaxSkewMs + 60_000
	b.rounds(10)
	if b.row("a") != nil {
		t.Error("its grace does not end")
	}
}

// TestFailuresByAnotherClock: a delete that failed under a leader whose clock was an
// hour ahead does not wait for an hour, also not behind others that failed now.
func TestFailuresByAnotherClock(t *testing.T) {
	b := newBed(t, 1, func(s *record.Settings) { s.Redundancy, s.Quorum = 1, 1 })
	fail := func(name string) {
		b.put(name, 1)
		b.delete(name)
		for _, c := range b.plan(b.observe()).Commands {
			b.must(c)
		}
		obs, hash := b.observe(), hashOf(name)
		for _, n := range b.plan(obs).Orders {
			for _, o := range n.Orders {
				if string(o.Hash) == string(hash[:]) {
					b.settle(obs, n.Node, n.Orders, []*pb.OrderAnswer{{Id: o.Id, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.Internal)}})
				}
			}
		}
	}
	hour := time.Hour.Milliseconds()
	b.now += hour
	fail("ahead")
	b.now -= hour - 10_000
	for i := range 20 {
		fail(fmt.Sprint(i))
	}
	b.rounds(10)
	if b.row("ahead") != nil || b.row("0") == nil {
		t.Errorf("what failed under a clock ahead is %v, what failed now is %v", b.row("ahead"), b.row("0"))
	}
	b.now += 10_000
	b.rounds(10)
	if b.row("0") != nil {
		t.Error("what failed is not tried again")
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
