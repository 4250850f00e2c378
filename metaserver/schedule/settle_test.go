package schedule_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// condemned returns a bed in which "a" is condemned at three nodes.
func condemned(t *testing.T) (*bed, protocol.Version) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	b.delete("a")
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	return b, versionOf(b.row("a").Floor)
}

func deleteOf(text string, t protocol.Version) *pb.Order {
	h := hashOf(text)
	return &pb.Order{Id: 1, Kind: pb.OrderKind_ORDER_KIND_DELETE, Hash: h[:], Version: wire(t)}
}

func TestSettleDelete(t *testing.T) {
	b, at := condemned(t)
	ack := func(n uint32, v protocol.Version) *pb.Ack {
		h := hashOf("a")
		return &pb.Ack{Hash: h[:], Node: n, Incarnation: 1, Version: wire(v), PlainSize: 100, StoredSize: 60}
	}
	for _, tc := range []struct {
		name   string
		below  protocol.Version
		answer *pb.OrderAnswer
		want   int
	}{
		{"handed back", at, &pb.OrderAnswer{Id: 1, Outcome: pb.Outcome_OUTCOME_HANDED_BACK}, 0},
		{"of no order", at, &pb.OrderAnswer{Id: 9, Outcome: pb.Outcome_OUTCOME_NONE_BELOW}, 0},
		{"at another t", protocol.Version{Generation: at.Generation, Counter: at.Counter - 1}, &pb.OrderAnswer{Id: 1, Outcome: pb.Outcome_OUTCOME_NONE_BELOW}, 0},
		{"kept, by another node", at, &pb.OrderAnswer{Id: 1, Outcome: pb.Outcome_OUTCOME_KEPT, Ack: ack(2, at)}, 0},
		{"kept, below what was ordered", at, &pb.OrderAnswer{Id: 1, Outcome: pb.Outcome_OUTCOME_KEPT, Ack: ack(1, protocol.Version{})}, 0},
		{"none below", at, &pb.OrderAnswer{Id: 1, Outcome: pb.Outcome_OUTCOME_NONE_BELOW}, 1},
		{"kept", at, &pb.OrderAnswer{Id: 1, Outcome: pb.Outcome_OUTCOME_KEPT, Ack: ack(1, at)}, 1},
		{"busy", at, &pb.OrderAnswer{Id: 1, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.Busy)}, 0},
		{"a broken disk", at, &pb.OrderAnswer{Id: 1, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.Disk), Detail: strings.Repeat("é", 300)}, 1},
	} {
		commands, err := schedule.Settle(b.table, b.observe(), 1, []*pb.Order{deleteOf("a", tc.below)}, []*pb.OrderAnswer{tc.answer})
		if err != nil || len(commands) != tc.want {
			t.Errorf("%s: %d commands, %v; want %d", tc.name, len(commands), err, tc.want)
		}
		for _, c := range commands {
			if p := c.GetPostpone(); p != nil && (p.Items[0].DueUnixMs <= b.now || p.Items[0].Lane != 1 || len(p.Items[0].Detail) > 200) {
				t.Errorf("%s: postponed %v", tc.name, p)
			}
		}
	}
}

func TestSettleIgnoresWhatHasNoEffect(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	h := hashOf("a")
	held := b.row("a").Copies[0]
	order := &pb.Order{Id: 1, Kind: pb.OrderKind_ORDER_KIND_COPY, Hash: h[:], Version: wire(b.m.Version())}
	ack := &pb.Ack{Hash: h[:], Node: 1, Incarnation: 1, Version: &pb.Version{Generation: held.Generation, Counter: held.Counter}, PlainSize: 100}
	for name, a := range map[string]*pb.Ack{
		"counted already": ack, "nothing": nil,
		"another block": {Hash: id("x", 1), Node: 1}, "another node": {Hash: h[:], Node: 2, Version: order.Version},
	} {
		commands, err := schedule.Settle(b.table, b.observe(), 1, []*pb.Order{order}, []*pb.OrderAnswer{{Id: 1, Outcome: pb.Outcome_OUTCOME_HELD, Ack: a}})
		if err != nil || len(commands) != 0 {
			t.Errorf("%s: %v, %v", name, commands, err)
		}
	}
}

func TestSettleLostNamesTheVersionCounted(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	h := hashOf("a")
	u := b.row("a").Copies[0]
	for _, tc := range []struct {
		version protocol.Version
		want    int
	}{{protocol.Version{Generation: u.Generation, Counter: u.Counter}, 1}, {protocol.Version{Generation: u.Generation, Counter: u.Counter + 1}, 0}} {
		order := &pb.Order{Id: 1, Kind: pb.OrderKind_ORDER_KIND_VERIFY, Hash: h[:], Version: wire(tc.version)}
		commands, err := schedule.Settle(b.table, b.observe(), 1, []*pb.Order{order}, []*pb.OrderAnswer{{Id: 1, Outcome: pb.Outcome_OUTCOME_LOST}})
		if err != nil || len(commands) != tc.want {
			t.Errorf("%s: %v, %v", tc.version, commands, err)
		}
	}
}

func TestSettleBatchesAreBounded(t *testing.T) {
	b := newBed(t, 3)
	var orders []*pb.Order
	var answers []*pb.OrderAnswer
	for i := range 25 {
		text := string(rune('a' + i))
		b.put(text, 1, 2, 3)
		b.delete(text)
	}
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	obs := b.observe()
	obs.Nodes[0].FreeSlots = 100
	for _, n := range b.plan(obs).Orders {
		if n.Node == 1 {
			orders = n.Orders
		}
	}
	for _, o := range orders {
		answers = append(answers, &pb.OrderAnswer{Id: o.Id, Outcome: pb.Outcome_OUTCOME_NONE_BELOW})
	}
	obs.Limits.Batch = 10
	commands := b.settle(obs, 1, orders, answers)
	if len(orders) != 25 || len(commands) != 3 {
		t.Errorf("%d commands for %d answers in batches of 10", len(commands), len(orders))
	}
}

// TestSettledClaimsFitInACommand: claims of copies are told of no more blocks at
// once than a command may name, whatever the batch.
func TestSettledClaimsFitInACommand(t *testing.T) {
	const n = 2*protocol.MaxBlocksPerPage + 1
	b := newBed(t, 3)
	var orders []*pb.Order
	var answers []*pb.OrderAnswer
	for i := range n {
		text := strconv.Itoa(i)
		b.put(text, 1, 2)
		orders = append(orders, &pb.Order{Id: uint64(i + 1), Kind: pb.OrderKind_ORDER_KIND_COPY, Hash: hashBytes(text), Version: wire(b.m.Version()), Sources: []string{"n1"}})
		answers = append(answers, b.execute(3, orders[i]))
	}
	obs := b.observe()
	obs.Limits.Batch = state.MaxBatch
	if commands := b.settle(obs, 3, orders, answers); len(commands) != 3 {
		t.Errorf("%d commands of %d claims", len(commands), n)
	}
}

func TestBackoff(t *testing.T) {
	last := int64(0)
	for attempts := range uint32(40) {
		low, high := int64(1<<62), int64(0)
		for chance := range uint64(200) {
			d := schedule.Backoff(attempts, chance)
			low, high = min(low, d), max(high, d)
		}
		if high > schedule.MaxBackoffMs || low < high*3/4-1 || low == high || high < last {
			t.Errorf("after %d attempts: %d to %d ms", attempts, low, high)
		}
		last = low
	}
}

func TestDoubtsNameTheSources(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2)
	h := hashOf("a")
	order := &pb.Order{Id: 1, Kind: pb.OrderKind_ORDER_KIND_COPY, Hash: h[:], Version: wire(b.m.Version())}
	for kind, want := range map[protocol.Kind]int{protocol.NotFound: 2, protocol.HashMismatch: 2, protocol.Full: 0, protocol.Busy: 0} {
		refs, err := schedule.Doubts(b.table, 3, []*pb.Order{order}, []*pb.OrderAnswer{{Id: 1, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(kind)}})
		if err != nil || len(refs) != want {
			t.Errorf("%s: %v, %v", kind, refs, err)
		}
	}
	delete(b.files[0], h)
	batches, err := schedule.Verify(b.table, b.observe(), []schedule.Ref{{Hash: h, Node: 1}, {Hash: h, Node: 2}, {Hash: h, Node: 3}})
	if err != nil || len(batches) != 2 {
		t.Fatalf("%v, %v", batches, err)
	}
	for _, n := range batches {
		b.carry(b.observe(), n.Node, n.Orders)
	}
	if row := b.row("a"); len(row.Copies) != 1 || row.Copies[0].Node != 2 {
		t.Errorf("copies %v after node 1 lost its own", row.Copies)
	}
}
