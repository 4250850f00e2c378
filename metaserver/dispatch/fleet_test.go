package dispatch

import (
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
	ended := l.fleet.hand(1, []*pb.Order{order("e1"), order("e2"), order("e3"), order("p2")})
	orders, errands := l.fleet.begin(1, []*pb.Order{order("p1"), order("p2")}, 100)
	if len(orders) != 4 || len(errands) != 3 || len(at.errands) != 1 {
		t.Fatalf("%d orders with %d errands, %d left", len(orders), len(errands), len(at.errands))
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
	if len(at.errands) != 3 || len(at.answered) != 2 || at.free(time.Now(), 100) != 9 {
		t.Fatalf("%d errands are left, %d orders answered, %d free", len(at.errands), len(at.answered), at.free(time.Now(), 100))
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
	l.fleet.hand(1, []*pb.Order{order("a"), order("a")})
	if n := len(l.fleet.link(1).errands); n != 1 {
		t.Errorf("%d errands about one block", n)
	}
	if _, open := <-l.fleet.hand(1, []*pb.Order{order("a")}); open {
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
		orders, errands := l.fleet.begin(1, []*pb.Order{order("a")}, 100)
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
	orders, errands := l.fleet.begin(1, []*pb.Order{order("a")}, 100)
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

func TestDoubtsAreBounded(t *testing.T) {
	var f fleet
	for i := range maxDoubts + 10 {
		f.doubt(schedule.Ref{Hash: protocol.Hash{byte(i), byte(i >> 8)}, Node: 1})
	}
	if n := len(f.takeDoubts()); n != maxDoubts || len(f.takeDoubts()) != 0 {
		t.Errorf("%d doubts are remembered", n)
	}
}
