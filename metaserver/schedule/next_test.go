package schedule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func ordersOf(p schedule.Plan, n protocol.NodeID, kind pb.OrderKind) (count int) {
	for _, batch := range p.Orders {
		for _, o := range batch.Orders {
			if batch.Node == n && o.Kind == kind {
				count++
			}
		}
	}
	return count
}

func waits(p schedule.Plan, class uint32, why string) bool {
	for _, w := range p.Waiting {
		if w.Class == class && strings.Contains(w.Why, why) {
			return true
		}
	}
	return false
}

func TestNothingToDo(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	if p := b.plan(b.observe()); !p.Empty() || len(p.Waiting) > 0 {
		t.Errorf("planned for a whole cluster:\n%s", p)
	}
}

func TestRedundancyIsRestored(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2)
	b.now += 3_600_000
	p := b.plan(b.observe())
	if ordersOf(p, 3, pb.OrderKind_ORDER_KIND_COPY) != 1 || len(p.Orders) != 1 {
		t.Fatalf("one copy to node 3 is wanted, not\n%s", p)
	}
	o := p.Orders[0].Orders[0]
	if len(o.Sources) != 2 || versionOf(o.Version) != b.m.Version() {
		t.Errorf("order %v", o)
	}
	b.rounds(5)
	if len(b.row("a").Copies) != 3 {
		t.Errorf("copies %v", b.row("a").Copies)
	}
}

func versionOf(v *pb.Version) protocol.Version {
	return protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
}

func TestNodeDownIsReplacedByASpare(t *testing.T) {
	b := newBed(t, 4)
	for i := range 20 {
		b.put(fmt.Sprint("a", i), 1, 2)
	}
	b.now += 3_600_000
	b.down[3] = true
	b.rounds(20)
	for i := range 20 {
		if row := b.row(fmt.Sprint("a", i)); len(row.Copies) != 3 {
			t.Errorf("block %d has copies %v", i, row.Copies)
		}
	}
}

func TestWaitingNamesTheNode(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2)
	b.now += 3_600_000
	b.down[3] = true
	if p := b.plan(b.observe()); !p.Empty() || !waits(p, state.ClassRedundancy, "do not answer: 3") {
		t.Errorf("planned\n%s", p)
	}
	b.down[1], b.down[2], b.down[3] = true, true, false
	if p := b.plan(b.observe()); !p.Empty() || !waits(p, state.ClassRedundancy, "no node that holds it answers: 1, 2") {
		t.Errorf("planned\n%s", p)
	}
}

func TestInFlightIsNotOrderedAgain(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2)
	b.now += 3_600_000
	obs := b.observe()
	obs.InFlight = []schedule.Ref{{Hash: hashOf("a"), Node: 3}}
	if p := b.plan(obs); !p.Empty() || len(p.Waiting) > 0 {
		t.Errorf("planned\n%s", p)
	}
}

func TestGraceThenCondemnThenDeleteThenReap(t *testing.T) {
	b := newBed(t, 3, func(s *record.Settings) { s.GraceMs = 1000 })
	b.put("a", 1, 2, 3)
	b.delete("a")
	p := b.plan(b.observe())
	if !p.Empty() || p.NextDueUnixMs != b.now+1000 || !waits(p, state.ClassCondemn, "their grace to end, the first in 1s") {
		t.Fatalf("before the grace is over: next due %d at %d\n%s", p.NextDueUnixMs, b.now, p)
	}
	b.now += 1000
	if got := b.plan(b.observe()).Lines(); len(got) != 1 || got[0] != "log: condemn 1 blocks" {
		t.Fatalf("planned %q", got)
	}
	b.down[2] = true
	b.rounds(10)
	row := b.row("a")
	if row == nil || len(row.Pending) != 1 || row.Pending[0] != 2 {
		t.Fatalf("with node 2 down the row is %v", row)
	}
	if len(b.files[0])+len(b.files[2]) != 0 || len(b.files[1]) != 1 {
		t.Errorf("files %v", b.files)
	}
	if p := b.plan(b.observe()); !waits(p, state.ClassDelete, "node 2 does not answer") {
		t.Errorf("waits for\n%s", p)
	}
	b.down[2] = false
	b.rounds(10)
	if b.row("a") != nil || len(b.files[1]) != 0 {
		t.Errorf("row %v, files %v", b.row("a"), b.files)
	}
}

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

func TestPausedClassesWait(t *testing.T) {
	for _, class := range []uint32{state.ClassRedundancy, state.ClassDelete, state.ClassCondemn, state.ClassReap} {
		b := newBed(t, 3, func(s *record.Settings) { s.PausedClasses = 1 << class })
		b.put("a", 1, 2)
		b.put("b", 1, 2, 3)
		b.delete("b")
		b.now += 3_600_000
		b.rounds(10)
		if p := b.plan(b.observe()); !waits(p, class, "paused") {
			t.Errorf("%s: waits for\n%s", schedule.ClassName(class), p)
		}
	}
}

func TestDeletesAndCopiesShareSlots(t *testing.T) {
	b := newBed(t, 3)
	for i := range 40 {
		b.put(fmt.Sprint("dead", i), 1, 2, 3)
		b.delete(fmt.Sprint("dead", i))
	}
	for range 3 { // condemn
		for _, c := range b.plan(b.observe()).Commands {
			b.must(c)
		}
	}
	for i := range 40 {
		b.put(fmt.Sprint("thin", i), 1, 2)
	}
	b.now += 3_600_000
	for slots, want := range map[int][2]int{16: {8, 8}, 2: {1, 1}, 5: {3, 2}} {
		obs := b.observe()
		obs.Nodes[2].FreeSlots = slots
		p := b.plan(obs)
		got := [2]int{ordersOf(p, 3, pb.OrderKind_ORDER_KIND_COPY), ordersOf(p, 3, pb.OrderKind_ORDER_KIND_DELETE)}
		if got != want {
			t.Errorf("%d slots: %d copies and %d deletes, want %v", slots, got[0], got[1], want)
		}
	}
	seen := map[pb.OrderKind]bool{}
	for chance := range uint64(2) {
		obs := b.observe()
		obs.Nodes[2].FreeSlots, obs.Chance = 1, chance
		p := b.plan(obs)
		for _, batch := range p.Orders {
			if batch.Node == 3 {
				seen[batch.Orders[0].Kind] = len(batch.Orders) == 1
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("one slot goes to %v only", seen)
	}
}

func TestSettingsBoundANodesOrders(t *testing.T) {
	b := newBed(t, 3, func(s *record.Settings) { s.OrdersPerNode = 3 })
	for i := range 10 {
		b.put(fmt.Sprint("thin", i), 1, 2)
	}
	b.now += 3_600_000
	if p := b.plan(b.observe()); ordersOf(p, 3, pb.OrderKind_ORDER_KIND_COPY) != 3 {
		t.Errorf("planned\n%s", p)
	}
}

// Blocks that cannot be helped must not hide those behind them.
func TestBlockedRowsHideNothing(t *testing.T) {
	b := newBed(t, 5)
	for i := range 60 {
		b.put(fmt.Sprint("stuck", i), 1, 2)
	}
	b.down[1], b.down[2] = true, true
	b.put("free", 3, 4)
	b.now += 3_600_000
	obs := b.observe()
	obs.Limits.Scan = 10
	for range 10 {
		p := b.plan(obs)
		if len(p.Orders) > 0 {
			if len(p.Orders) != 1 || protocol.Hash(p.Orders[0].Orders[0].Hash) != hashOf("free") {
				t.Fatalf("planned\n%s", p)
			}
			return
		}
		obs.Cursors = p.Cursors
	}
	t.Error("the block that could be copied was never reached")
}

func TestFailuresArePostponedAndDoNotBlock(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2)
	b.put("b", 1, 2)
	delete(b.files[0], hashOf("a"))
	delete(b.files[1], hashOf("a"))
	b.now += 3_600_000
	for range 3 {
		obs := b.observe()
		for _, n := range b.plan(obs).Orders {
			b.carry(obs, n.Node, n.Orders)
		}
	}
	if len(b.row("b").Copies) != 3 {
		t.Errorf("copies of b: %v", b.row("b").Copies)
	}
	p := b.plan(b.observe())
	if !p.Empty() || p.NextDueUnixMs <= b.now || !waits(p, state.ClassRedundancy, "after not-found") {
		t.Errorf("next due %d at %d, planned\n%s", p.NextDueUnixMs, b.now, p)
	}
	w, ok, err := state.WorkOf(b.table, hashOf("a"), state.ClassRedundancy, 2)
	if err != nil || !ok || w.Attempts != 1 || protocol.Kind(w.Cause) != protocol.NotFound || w.Detail == "" {
		t.Errorf("row %v, %v, %v", w, ok, err)
	}
	// A success, by whatever way, ends the waiting.
	b.files[0][hashOf("a")] = b.m.Version()
	b.must(&record.Command{Body: &record.Command_RetryNow{RetryNow: &record.RetryNow{Class: state.ClassRedundancy, Limit: 10}}})
	b.rounds(5)
	if len(b.row("a").Copies) != 3 {
		t.Errorf("copies of a: %v", b.row("a").Copies)
	}
}

func TestWritersAreLeftToFinish(t *testing.T) {
	b := newBed(t, 3)
	b.put("old", 1, 2)
	obs := b.observe()
	obs.YoungFrom = b.m.Version()
	b.put("new", 1, 2)
	p := b.plan(obs)
	if len(p.Orders) != 1 || len(p.Orders[0].Orders) != 1 || protocol.Hash(p.Orders[0].Orders[0].Hash) != hashOf("old") || len(p.Waiting) != 0 {
		t.Errorf("planned\n%s", p)
	}
	obs.YoungFrom = protocol.Version{}
	if p := b.plan(obs); ordersOf(p, 3, pb.OrderKind_ORDER_KIND_COPY) != 2 {
		t.Errorf("later planned\n%s", p)
	}
}

func TestRemovedNodesAreCleaned(t *testing.T) {
	b := newBed(t, 4)
	for i := range 20 {
		b.put(fmt.Sprint("a", i), 1, 2, 3)
	}
	b.put("b", 1, 2, 3)
	b.delete("b")
	b.must(b.plan(b.observe()).Commands[0])
	b.must(&record.Command{Body: &record.Command_RemoveNode{RemoveNode: &record.RemoveNode{Node: 1}}})
	b.down[1] = true
	b.rounds(50)
	if b.row("b") != nil {
		t.Errorf("the condemned block waits for a node that was removed: %v", b.row("b"))
	}
	for i := range 20 {
		row := b.row(fmt.Sprint("a", i))
		if len(row.Copies) != 3 || row.Copies[0].Node == 1 {
			t.Errorf("copies %v", row.Copies)
		}
	}
}

func TestChangedSettingsAreCarriedThrough(t *testing.T) {
	b := newBed(t, 4)
	for i := range 600 {
		b.put(fmt.Sprint("a", i), 1, 2, 3)
	}
	cluster, err := state.ClusterRow(b.table)
	if err != nil {
		t.Fatal(err)
	}
	b.must(&record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{
		Settings: &record.Settings{Redundancy: 4, Quorum: 2}, IfVersion: cluster.SettingsVersion,
	}}})
	obs := b.observe()
	for i := range obs.Nodes {
		obs.Nodes[i].FreeSlots = 0
	}
	for range 10 {
		for _, c := range b.plan(obs).Commands {
			b.must(c)
		}
	}
	if cluster, err = state.ClusterRow(b.table); err != nil || cluster.Indexed != nil || cluster.Counters.UnderReplicatedBlocks != 600 {
		t.Errorf("%v, %v", cluster, err)
	}
}
