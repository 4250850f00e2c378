package dispatch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// fill puts n objects on the first three nodes and deletes them.
func (b *bed) fill(n int) {
	for i := range n {
		b.put(fmt.Sprint("block", i), 1, 2, 3)
		b.delete(fmt.Sprint("block", i))
	}
}

func (b *bed) rowsLeft() (n int) {
	b.t.Helper()
	err := state.ScanBlocks(b.rows.View(), protocol.Hash{}, 1<<20, func(protocol.Hash, *record.Block) bool { n++; return true })
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bed) clean() bool {
	for _, n := range b.nodes {
		if n.count() > 0 {
			return false
		}
	}
	return b.rowsLeft() == 0
}

func TestNodeThatHangsDelaysNobody(t *testing.T) {
	b := newBed(t, 3)
	b.fill(30)
	hang := make(chan struct{})
	b.nodes[0].fault = func(*pb.OrdersRequest) (error, bool) { <-hang; return nil, true }
	b.lead(b.dispatcher(), 1)
	b.eventually("the others empty", func() bool { return b.nodes[1].count()+b.nodes[2].count() == 0 })
	if b.nodes[0].count() != 30 || b.rowsLeft() != 30 {
		t.Errorf("%d files, %d rows of what hangs", b.nodes[0].count(), b.rowsLeft())
	}
	close(hang)
	b.eventually("nothing left", b.clean)
}

func TestAnotherNodesWordIsNotTaken(t *testing.T) {
	b := newBed(t, 3)
	b.nodes[0].says = 2
	b.fill(5)
	b.lead(b.dispatcher(), 1)
	b.eventually("the others empty", func() bool { return b.nodes[1].count()+b.nodes[2].count() == 0 })
	b.eventually("an attempt or two", func() bool {
		b.nodes[0].mu.Lock()
		defer b.nodes[0].mu.Unlock()
		return len(b.nodes[0].seen) > 2
	})
	if row := b.row("block0"); len(row.GetPending()) != 1 || row.Pending[0] != 1 {
		t.Errorf("the row is %v", row)
	}
	b.nodes[0].change(func() { b.nodes[0].says = 0 })
	b.eventually("nothing left", b.clean)
}

func TestAnswersThatGetLostAreOrderedAgain(t *testing.T) {
	b := newBed(t, 3)
	b.fill(20)
	for i, n := range b.nodes {
		batches := 0
		n.fault = func(*pb.OrdersRequest) (error, bool) {
			if batches++; (batches+i)%5 > 2 {
				return protocol.Errorf(protocol.UnknownOutcome, "the answer is lost"), batches%2 == 0
			}
			return nil, true
		}
	}
	b.lead(b.dispatcher(), 1)
	b.eventually("nothing left", b.clean)
}

func TestOrdersHandedBackOrFailedComeAgain(t *testing.T) {
	b := newBed(t, 3)
	b.fill(20)
	for i, n := range b.nodes {
		tried := map[protocol.Hash]int{}
		n.answer = func(o *pb.Order) *pb.OrderAnswer {
			tried[protocol.Hash(o.Hash)]++
			switch at := tried[protocol.Hash(o.Hash)]; {
			case at == 1 && i == 0:
				return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_HANDED_BACK}
			case at == 1 && i == 1:
				return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.Busy)}
			case at == 1 && o.Hash[0] < 16:
				return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.Disk), Detail: "once"}
			}
			return nil
		}
	}
	b.lead(b.dispatcher(), 1)
	b.eventually("nothing left", b.clean)
}

func TestOrdersCarryTermGenerationAndNode(t *testing.T) {
	b := newBed(t, 3)
	b.fill(3)
	b.lead(b.dispatcher(), 7)
	b.eventually("nothing left", b.clean)
	for _, n := range b.nodes {
		n.mu.Lock()
		for _, q := range n.seen {
			if q.Term != 7 || q.Generation != 1 || q.Node != n.id || q.SliceMs == 0 || len(q.Orders) > 8 {
				t.Errorf("node %d was sent %v", n.id, q)
			}
		}
		n.mu.Unlock()
	}
}

func TestLeadershipThatEndsForgetsAll(t *testing.T) {
	b := newBed(t, 3)
	b.fill(40)
	d := b.dispatcher()
	if _, err := d.Plan(context.Background(), &pb.WorkPlanRequest{}); protocol.KindOf(err) != protocol.NotLeader {
		t.Errorf("planned without leading: %v", err)
	}
	for term := uint64(1); term < 6; term++ {
		end := b.lead(d, term)
		b.eventually("some work", func() bool { return b.nodes[0].count() < 40-4*int(term) || b.clean() })
		end()
		d.Doubt(protocol.Hash{}, 1)
	}
	if err := d.Explain(context.Background(), protocol.Hash{}, &pb.ExplainAnswer{}); protocol.KindOf(err) != protocol.NotLeader {
		t.Errorf("explained without leading: %v", err)
	}
	b.lead(d, 9)
	b.eventually("nothing left", b.clean)
}

// Two leaders at once disturb each other's work in nothing.
func TestTwoLeadersAtOnce(t *testing.T) {
	b := newBed(t, 3)
	b.fill(30)
	for _, n := range b.nodes {
		// Each has its own batch in flight.
		n.busy = -1
	}
	b.lead(b.dispatcher(), 1)
	b.lead(b.dispatcher(), 2)
	b.eventually("nothing left", b.clean)
}

func TestDoubtedCopyIsVerifiedAndMadeAnew(t *testing.T) {
	b := newBed(t, 3)
	b.put("a", 1, 2, 3)
	h := protocol.HashOf([]byte("a"))
	d := b.dispatcher()
	b.lead(d, 1)
	before := b.row("a").Copies[0].Counter
	b.nodes[0].change(func() { delete(b.nodes[0].files, h) })
	b.eventually("a newer copy", func() bool {
		d.Doubt(h, 1)
		row := b.row("a")
		return len(row.Copies) == 3 && row.Copies[0].Counter > before && b.nodes[0].count() == 1
	})
}

func TestSuspectNodesInventoryIsTaken(t *testing.T) {
	b := newBed(t, 3)
	for i := range 10 {
		b.put(fmt.Sprint("block", i), 1, 2, 3)
	}
	// A snapshot of the disk: five files are gone, two are at older versions, and
	// the count of acknowledgements gives it away.
	n := b.nodes[0]
	for i := range 7 {
		h := protocol.HashOf([]byte(fmt.Sprint("block", i)))
		if i < 5 {
			delete(n.files, h)
		} else {
			n.files[h] = protocol.Version{Generation: 1, Counter: 1}
		}
	}
	n.incarnation = 2
	b.register(0, 2, 0)
	due := func() *pb.Version {
		rows, err := state.Nodes(b.rows.View())
		if err != nil {
			t.Fatal(err)
		}
		return rows[0].InventoryDue
	}
	if due() == nil {
		t.Fatal("the node is not suspect")
	}
	var mu sync.Mutex
	broken := true
	n.answer = func(o *pb.Order) *pb.OrderAnswer {
		mu.Lock()
		defer mu.Unlock()
		if broken && o.Kind == pb.OrderKind_ORDER_KIND_VERIFY {
			return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.Disk)}
		}
		return nil
	}
	b.lead(b.dispatcher(), 1)
	b.eventually("attempts", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.seen) > 6
	})
	if due() == nil {
		t.Error("an inventory with copies that could not be verified counts as taken")
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	b.eventually("the inventory", func() bool { return due() == nil })
	b.eventually("every file at its version", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		for i := range 10 {
			text := fmt.Sprint("block", i)
			row := b.row(text)
			v, found := n.files[protocol.HashOf([]byte(text))]
			if len(row.Copies) != 3 || !found || v.Less(protocol.Version{Generation: row.Copies[0].Generation, Counter: row.Copies[0].Counter}) {
				return false
			}
		}
		return true
	})
}

func TestStraysOfAnIdleClusterGo(t *testing.T) {
	b := newBed(t, 3)
	for i := range 8 {
		b.nodes[i%3].set(protocol.HashOf([]byte(fmt.Sprint("stray", i))), b.version())
	}
	b.lead(b.dispatcher(), 1)
	b.eventually("nothing left", b.clean)
	at, pages := b.version(), b.nodes[0].asked()
	b.eventually("more inventories", func() bool { return b.nodes[0].asked() > pages+3 })
	// Nothing is proposed where nothing is to be done.
	if now := b.version(); now.Counter > at.Counter+1 {
		t.Errorf("an idle cluster went from version %s to %s", at, now)
	}
}

func TestRemovedNodeIsCleanedAndSentNothing(t *testing.T) {
	b := newBed(t, 4)
	for i := range 10 {
		b.put(fmt.Sprint("block", i), 1, 2, 3)
	}
	b.must(&record.Command{Body: &record.Command_RemoveNode{RemoveNode: &record.RemoveNode{Node: 1}}})
	b.lead(b.dispatcher(), 1)
	b.eventually("new copies", func() bool {
		for i := range 10 {
			if row := b.row(fmt.Sprint("block", i)); len(row.Copies) != 3 || row.Copies[0].Node == 1 {
				return false
			}
		}
		return true
	})
	if len(b.nodes[0].seen) > 0 {
		t.Error("a removed node was sent orders")
	}
}

// After a restore every node meets the generation before its inventory counts.
func TestNewGenerationTakesAllInventories(t *testing.T) {
	b := newBed(t, 3)
	for i := range 6 {
		b.put(fmt.Sprint("block", i), 1, 2, 3)
	}
	b.lead(b.dispatcher(), 1)
	b.eventually("walks", func() bool { return b.nodes[0].asked() > 2 })
	b.must(&record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{Generation: 2}}})
	b.eventually("all inventories", func() bool {
		rows, err := state.Nodes(b.rows.View())
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			n := b.nodes[i]
			n.mu.Lock()
			met := len(n.seen) > 0 && n.seen[len(n.seen)-1].Generation == 2
			n.mu.Unlock()
			if row.InventoryDue != nil {
				return false
			}
			if !met {
				t.Errorf("the inventory of node %d was taken before it met the generation", i+1)
			}
		}
		return true
	})
}
