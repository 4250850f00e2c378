package dispatch

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func order(text string) *pb.Order {
	h := protocol.HashOf([]byte(text))
	return &pb.Order{Kind: pb.OrderKind_ORDER_KIND_COPY, Hash: h[:]}
}

func leadingTest(t *testing.T) *leading {
	t.Helper()
	return &leading{Dispatcher: &Dispatcher{cfg: Config{Timing: Timing{}.withDefaults()}}}
}

func TestBatchIsPlannedThenErrands(t *testing.T) {
	l := leadingTest(t)
	at := l.fleet.link(1)
	at.met, at.credit = true, 4
	ended := l.fleet.hand(1, []*pb.Order{order("e1"), order("e2"), order("e3"), order("p2")}, 0)
	orders, errands := l.fleet.begin(1, []*pb.Order{order("p1"), order("p2")}, terms{most: 100})
	if len(orders) != 4 || len(errands) != 3 || len(at.errands.list) != 1 {
		t.Fatalf("%d orders with %d errands, %d left", len(orders), len(errands), len(at.errands.list))
	}
	for i, o := range orders {
		if o.Id != uint64(i+1) {
			t.Errorf("order %d has id %d", i, o.Id)
		}
	}
	if at.free(time.Now(), 100) != 0 {
		t.Error("a node with a batch in flight is free")
	}
	// The second is handed back, the third is not answered: both may go again.
	l.finish(1, orders, []*pb.OrderAnswer{{Id: 1, Outcome: pb.Outcome_OUTCOME_HELD}, {Id: 2, Outcome: pb.Outcome_OUTCOME_HANDED_BACK}, {Id: 4, Outcome: pb.Outcome_OUTCOME_HELD}}, errands, outcome{slots: 9})
	if len(at.errands.list) != 3 || len(at.answered) != 2 || at.free(time.Now(), 100) != 9 {
		t.Fatalf("%d errands are left, %d orders answered, %d free", len(at.errands.list), len(at.answered), at.free(time.Now(), 100))
	}
	select {
	case <-ended:
		t.Fatal("errands have ended that have not")
	default:
	}
	l.fleet.drop(1)
	<-ended
}

func TestErrandsAreNotGivenTwice(t *testing.T) {
	l := leadingTest(t)
	l.fleet.link(1).met = true
	l.fleet.hand(1, []*pb.Order{order("a"), order("a")}, 0)
	if n := len(l.fleet.link(1).errands.list); n != 1 {
		t.Errorf("%d errands about one block", n)
	}
	if _, open := <-l.fleet.hand(1, []*pb.Order{order("a")}, 0); open {
		t.Error("waits for another's errand")
	}
}

func TestFailedBatchRestsTheNodeAndForgetsItsOrders(t *testing.T) {
	l := leadingTest(t)
	at := l.fleet.link(1)
	at.met, at.credit = true, 4
	down := protocol.Errorf(protocol.Unavailable, "no answer")
	var rests []time.Duration
	for range 3 {
		at.rest = time.Time{}
		orders, errands := l.fleet.begin(1, []*pb.Order{order("a")}, terms{most: 100})
		l.finish(1, orders, nil, errands, outcome{err: down})
		rests = append(rests, time.Until(at.rest))
		if len(at.refs(nil, 1, time.Now())) != 0 || at.met {
			t.Error("its order still counts as in flight, or its credit stands")
		}
	}
	if rests[0] >= rests[1] || rests[1] >= rests[2] || l.reachable(1) || !l.reachable(2) {
		t.Errorf("rests %v, reachable %v", rests, l.reachable(1))
	}
}

func TestAnsweredOrdersHaveTimeToShow(t *testing.T) {
	l := leadingTest(t)
	at := l.fleet.link(1)
	at.met, at.credit = true, 1
	orders, errands := l.fleet.begin(1, []*pb.Order{order("a")}, terms{most: 100})
	l.finish(1, orders, []*pb.OrderAnswer{{Id: 1, Outcome: pb.Outcome_OUTCOME_HELD}}, errands, outcome{slots: 1})
	now := time.Now()
	if len(at.refs(nil, 1, now)) != 1 || len(at.refs(nil, 1, now.Add(time.Hour))) != 0 {
		t.Error("an answered order is given again at once, or never")
	}
}

func TestPaceRestsInShareOfTheWork(t *testing.T) {
	for _, tc := range []struct {
		took time.Duration
		pace int
		want time.Duration
	}{{time.Second, 0, 0}, {time.Second, 50, time.Second / 2}, {time.Second, 300, 3 * time.Second}, {time.Hour, 100, maxPaceRest}} {
		if got := paceRest(tc.took, tc.pace); got != tc.want {
			t.Errorf("after %v at %d %%: %v, want %v", tc.took, tc.pace, got, tc.want)
		}
	}
}

// refsOf are doubts about count copies of a node's.
func refsOf(n protocol.NodeID, from, count int) (refs []schedule.Ref) {
	for i := from; i < from+count; i++ {
		refs = append(refs, schedule.Ref{Hash: protocol.HashOf([]byte(strconv.Itoa(i))), Node: n})
	}
	return refs
}

// errandsOf is what verify makes of doubts.
func errandsOf(refs []schedule.Ref, n protocol.NodeID) (orders []*pb.Order) {
	for _, r := range refs {
		if r.Node == n {
			orders = append(orders, &pb.Order{Kind: pb.OrderKind_ORDER_KIND_VERIFY, Hash: r.Hash[:]})
		}
	}
	return orders
}

func TestDoubtsAreBounded(t *testing.T) {
	var f fleet
	f.doubt(refsOf(1, 0, maxDoubts+10)...)
	f.doubt(refsOf(2, 0, 10)...)
	if n := len(f.takeDoubts()); n != maxDoubts || len(f.takeDoubts()) != 0 {
		t.Errorf("%d doubts are remembered", n)
	}
}

// TestDoubtsWaitForErrands: readers complain of copies of a node that takes no
// orders. It is given a bounded number of errands, and the doubts beyond them wait,
// but not in the way of other nodes' doubts.
func TestDoubtsWaitForErrands(t *testing.T) {
	l := leadingTest(t)
	f := &l.fleet
	at := f.link(1)
	at.met, at.credit, at.busy = true, 100, true
	for round := range 40 {
		f.doubt(refsOf(1, 4000*round, 4000)...)
		f.hand(1, errandsOf(f.takeDoubts(), 1), 0)
	}
	if len(at.errands.list) != maxDoubts || len(f.doubts) != maxDoubts {
		t.Fatalf("%d errands and %d doubts wait, each of at most %d", len(at.errands.list), len(f.doubts), maxDoubts)
	}
	f.doubt(refsOf(2, 0, 10)...)
	if refs := f.takeDoubts(); len(refs) != 10 || len(f.doubts) != maxDoubts-10 {
		t.Fatalf("of node 2, %d doubts come out; %d wait", len(refs), len(f.doubts))
	}
	at.busy = false
	orders, sent := f.begin(1, nil, terms{most: 100})
	l.finish(1, orders, nil, sent, outcome{err: protocol.Errorf(protocol.Unavailable, "no answer")})
	f.hand(1, errandsOf(f.takeDoubts(), 1), 0)
	if len(sent) != 100 || len(at.errands.list) != maxDoubts || len(f.doubts) != maxDoubts-110 {
		t.Fatalf("after %d errands: %d of them and %d doubts wait", len(sent), len(at.errands.list), len(f.doubts))
	}
}

// TestErrandsByHash: a block's errand is known for as long as it waits, and no longer.
func TestErrandsByHash(t *testing.T) {
	l := leadingTest(t)
	at := l.fleet.link(1)
	at.met, at.credit = true, 2
	ref := func(text string) schedule.Ref {
		return schedule.Ref{Hash: protocol.HashOf([]byte(text)), Node: 1}
	}
	l.fleet.hand(1, []*pb.Order{order("a"), order("b"), order("c")}, 0)
	orders, sent := l.fleet.begin(1, nil, terms{most: 100})
	l.finish(1, orders, []*pb.OrderAnswer{{Id: 1, Outcome: pb.Outcome_OUTCOME_HANDED_BACK}, {Id: 2, Outcome: pb.Outcome_OUTCOME_HELD}}, sent, outcome{slots: 2})
	if !at.errands.of[ref("a").Hash] || at.errands.of[ref("b").Hash] || !at.errands.of[ref("c").Hash] {
		t.Errorf("errands wait about %v", at.errands.of)
	}
	if !at.has(ref("a")) || !at.has(ref("b")) || !at.has(ref("c")) || at.has(ref("d")) {
		t.Error("what is under way is not known")
	}
	at.refs(nil, 1, time.Now().Add(time.Hour))
	l.fleet.drop(1)
	if at.has(ref("a")) || at.has(ref("b")) || at.has(ref("c")) {
		t.Error("what was dropped or had its time is still under way")
	}
}

// Errands wait while the world changes. What rows of another generation asked for is
// not sent as orders of this one, and no delete is sent once deletes are paused, as a
// restore pauses them: those end, and a walk finds again what is left to do.
func TestErrandsOfBefore(t *testing.T) {
	l := leadingTest(t)
	at := l.fleet.link(1)
	at.met, at.credit = true, 100
	remove := func(name string) *pb.Order {
		o := order(name)
		o.Kind = pb.OrderKind_ORDER_KIND_DELETE
		return o
	}
	before := l.fleet.hand(1, []*pb.Order{remove("a"), order("b")}, 1)
	now := l.fleet.hand(1, []*pb.Order{remove("c"), order("d")}, 2)
	orders, errands := l.fleet.begin(1, nil, terms{generation: 2, pauseDeletes: true, most: 100})
	if len(orders) != 1 || !bytes.Equal(orders[0].Hash, order("d").Hash) {
		t.Fatalf("sent: %v", orders)
	}
	if len(at.errands.list) != 0 || len(at.errands.of) != 0 {
		t.Errorf("%d errands wait about %d blocks", len(at.errands.list), len(at.errands.of))
	}
	select {
	case <-before:
	default:
		t.Error("errands of another generation are waited for")
	}
	select {
	case <-now:
		t.Error("an errand has ended that was not answered")
	default:
	}
	l.finish(1, orders, []*pb.OrderAnswer{{Id: 1, Outcome: pb.Outcome_OUTCOME_HELD}}, errands, outcome{slots: 9})
	<-now
}
