package schedule_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func last() (h protocol.Hash) {
	copy(h[:], bytes.Repeat([]byte{0xff}, len(h)))
	return h
}

// inventory is what a node holds, as it would tell.
func (b *bed) inventory(n protocol.NodeID) *pb.InventoryPage {
	page := &pb.InventoryPage{Node: uint32(n)}
	for h, v := range b.files[n-1] {
		page.Items = append(page.Items, &pb.InventoryItem{Hash: h[:], Version: wire(v), State: "good"})
	}
	slices.SortFunc(page.Items, func(x, y *pb.InventoryItem) int { return bytes.Compare(x.Hash, y.Hash) })
	return page
}

func (b *bed) strays(n protocol.NodeID) schedule.Walk {
	b.tb.Helper()
	w, err := schedule.Strays(b.table, b.observe(), n, b.inventory(n), protocol.Hash{}, last())
	if err != nil {
		b.tb.Fatal(err)
	}
	return w
}

// one is the only order of a walk, by kind and version.
func one(t *testing.T, w schedule.Walk, kind pb.OrderKind, v protocol.Version) {
	t.Helper()
	if len(w.Orders) != 1 || len(w.Commands) != 0 || w.Orders[0].Kind != kind || versionOf(w.Orders[0].Version) != v {
		t.Errorf("orders %v, commands %v; want one %s at %s", w.Orders, w.Commands, kind, v)
	}
}

func TestStrayWithoutARow(t *testing.T) {
	b := newBed(t, 3)
	old := b.m.Version()
	b.files[0][hashOf("a")] = old
	w := b.strays(1)
	if len(w.Orders) != 0 || w.Waits != old {
		t.Errorf("an upload may be under way: orders %v, waits %s", w.Orders, w.Waits)
	}
	obs := b.observe()
	obs.StrayAbove = w.Waits
	for range 3 {
		for _, c := range b.plan(obs).Commands {
			b.must(c)
		}
	}
	if p := b.plan(obs); !p.Empty() {
		t.Errorf("reaps for ever:\n%s", p)
	}
	cluster, err := state.ClusterRow(b.table)
	if err != nil || !old.Less(versionOf(cluster.Watermark)) {
		t.Fatalf("W is %v, %v", cluster.Watermark, err)
	}
	w = b.strays(1)
	one(t, w, pb.OrderKind_ORDER_KIND_DELETE, versionOf(cluster.Watermark))
	b.carry(b.observe(), 1, w.Orders)
	if len(b.files[0]) != 0 {
		t.Error("the file stays")
	}
}

func TestStrayOfALiveBlock(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2)
	b.files[2][hashOf("a")] = protocol.Version{Generation: 1, Counter: 1}
	w := b.strays(3)
	one(t, w, pb.OrderKind_ORDER_KIND_COPY, b.m.Version())
	b.carry(b.observe(), 3, w.Orders)
	if len(b.row("a").Copies) != 3 {
		t.Errorf("copies %v", b.row("a").Copies)
	}
}

// unwanted is the node that the layout does not want "a" on, of four.
func unwanted(b *bed, text string) (out protocol.NodeID, others []protocol.NodeID) {
	info, err := state.BlockInfo(b.table, &pb.BlockInfoRequest{Hash: func() []byte { h := hashOf(text); return h[:] }()})
	if err != nil {
		b.tb.Fatal(err)
	}
	for n := range protocol.NodeID(4) {
		if slices.Contains(info.Wanted, uint32(n+1)) {
			others = append(others, n+1)
		} else {
			out = n + 1
		}
	}
	return out, others
}

func TestStrayThatIsSurplusIsDropped(t *testing.T) {
	b := newBed(t, 4)
	out, others := unwanted(b, "a")
	b.put("a", others...)
	b.files[out-1][hashOf("a")] = protocol.Version{Generation: 1, Counter: 1}
	w := b.strays(out)
	if len(w.Orders) != 0 || len(w.Commands) != 1 || w.Commands[0].GetDrop() == nil {
		t.Fatalf("orders %v, commands %v", w.Orders, w.Commands)
	}
	b.must(w.Commands[0])
	b.rounds(10)
	if len(b.files[out-1]) != 0 || len(b.row("a").Drops) != 0 || len(b.row("a").Copies) != 3 {
		t.Errorf("files %v, row %v", b.files[out-1], b.row("a"))
	}
}

func TestStrayThatDropWouldNotTakeIsClaimed(t *testing.T) {
	b := newBed(t, 4)
	out, others := unwanted(b, "a")
	b.put("a", others[0], others[1])
	b.files[out-1][hashOf("a")] = protocol.Version{Generation: 1, Counter: 1}
	one(t, b.strays(out), pb.OrderKind_ORDER_KIND_COPY, b.m.Version())
}

func TestStrayOfACondemnedBlock(t *testing.T) {
	b, at := condemned(t)
	// Node 1 has acknowledged; a late upload brought the file back.
	obs := b.observe()
	b.carry(obs, 1, []*pb.Order{deleteOf("a", at)})
	b.files[0][hashOf("a")] = protocol.Version{Generation: at.Generation, Counter: at.Counter - 1}
	one(t, b.strays(1), pb.OrderKind_ORDER_KIND_DELETE, at)
	b.files[0][hashOf("a")] = at
	if w := b.strays(1); len(w.Orders) != 0 || w.Waits != at {
		t.Errorf("orders %v, waits %s", w.Orders, w.Waits)
	}
	if w := b.strays(2); len(w.Orders) != 0 || w.Strays != 0 {
		t.Errorf("node 2 is pending, the schedule has it: %v", w.Orders)
	}
}

func TestCountedCopyThatIsGoneIsLost(t *testing.T) {
	b := newBed(t, 4)
	b.put("a", 1, 2, 3)
	b.put("b", 1, 2, 3)
	u := b.row("a").Copies[0]
	delete(b.files[0], hashOf("a"))
	w := b.strays(1)
	one(t, w, pb.OrderKind_ORDER_KIND_VERIFY, protocol.Version{Generation: u.Generation, Counter: u.Counter})
	if w.Open != 1 {
		t.Errorf("%d copies are open, one is", w.Open)
	}
	b.carry(b.observe(), 1, w.Orders)
	if w := b.strays(1); len(b.row("a").Copies) != 2 || w.Open != 0 {
		t.Errorf("copies %v, open %d", b.row("a").Copies, w.Open)
	}
}

func TestFileBelowItsCountIsTouched(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	b.files[0][hashOf("a")] = protocol.Version{Generation: 1, Counter: 1}
	w := b.strays(1)
	one(t, w, pb.OrderKind_ORDER_KIND_COPY, b.m.Version())
	b.carry(b.observe(), 1, w.Orders)
	if w := b.strays(1); w.Open != 0 || len(w.Orders) != 0 {
		t.Errorf("open %d, orders %v", w.Open, w.Orders)
	}
}

// TestSuspectCopyIsClaimedAnew: an inventory that shows the file is not enough. A
// second rollback, to before the file came back, would go unseen.
func TestSuspectCopyIsClaimedAnew(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	b.must(&record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{Generation: 2}}})
	w := b.strays(1)
	one(t, w, pb.OrderKind_ORDER_KIND_COPY, b.m.Version())
	if w.Open != 1 {
		t.Errorf("%d copies are open, one is", w.Open)
	}
	b.carry(b.observe(), 1, w.Orders)
	if w := b.strays(1); w.Open != 0 || len(w.Orders) != 0 {
		t.Errorf("open %d, orders %v", w.Open, w.Orders)
	}
}

func TestBadFileOfACountedCopyIsVerified(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	page := b.inventory(1)
	page.Items[0].State = "quarantined"
	w, err := schedule.Strays(b.table, b.observe(), 1, page, protocol.Hash{}, last())
	if err != nil || len(w.Orders) != 1 || w.Orders[0].Kind != pb.OrderKind_ORDER_KIND_VERIFY || w.Open != 1 {
		t.Errorf("%v, %v", w, err)
	}
}

func TestWalkKeepsToItsRange(t *testing.T) {
	b := newBed(t, 3)
	for i := range 30 {
		b.put(string(rune('a'+i)), 1, 2, 3)
		delete(b.files[0], hashOf(string(rune('a'+i))))
	}
	page := &pb.InventoryPage{}
	middle := protocol.Hash{0x80}
	low, err := schedule.Strays(b.table, b.observe(), 1, page, protocol.Hash{}, middle)
	if err != nil {
		t.Fatal(err)
	}
	high, err := schedule.Strays(b.table, b.observe(), 1, page, middle, last())
	if err != nil || low.Open+high.Open != 30 || low.Open == 0 || high.Open == 0 || low.Upto != middle || high.Upto != last() {
		t.Errorf("%d and %d of 30, up to %s and %s, %v", low.Open, high.Open, low.Upto, high.Upto, err)
	}
}

func TestPausedClassesStopStraysToo(t *testing.T) {
	b := newBed(t, 3, func(s *record.Settings) { s.PausedClasses = 1<<state.ClassRedundancy | 1<<state.ClassDelete })
	b.put("a", 1, 2)
	b.files[2][hashOf("a")] = b.m.Version()
	b.files[2][hashOf("x")] = protocol.Version{}
	if w := b.strays(3); len(w.Orders) != 0 || w.Strays != 2 {
		t.Errorf("orders %v, strays %d", w.Orders, w.Strays)
	}
}
