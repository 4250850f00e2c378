package blockserver

import (
	"bytes"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// startLog answers Register as the log does: a start that it does not know is a new
// incarnation, and one of the past is stale.
type startLog struct {
	mu      sync.Mutex
	cluster protocol.ID
	starts  [][]byte
	// current is the place of the present start, from 1; incarnation is its.
	current, incarnation int
	generation           uint32
}

func newStartLog(r *registrar) *startLog {
	l := &startLog{cluster: r.cluster, generation: 1}
	r.answering(l.register)
	return l
}

func (l *startLog) register(q *pb.RegisterRequest) (*pb.RegisterAnswer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.starts, func(s []byte) bool { return bytes.Equal(s, q.GetStart()) }) + 1
	switch {
	case at == 0:
		l.starts = append(l.starts, q.GetStart())
		l.current = len(l.starts)
		l.incarnation++
	case at != l.current:
		return nil, protocol.Errorf(protocol.StaleRequest, "the node has started again since this request was made")
	}
	a := &pb.RegisterAnswer{Node: 7, Incarnation: uint64(l.incarnation), Cluster: l.cluster[:], Version: &pb.Version{Generation: l.generation, Counter: 50}}
	for i := range q.GetDisks() {
		a.DiskNumbers = append(a.DiskNumbers, uint32(i))
	}
	return a, nil
}

// late applies the request of an older start that was under way for long.
func (l *startLog) late() {
	_, _ = l.register(&pb.RegisterRequest{Start: []byte("of a process before")})
}

func (l *startLog) change(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn()
}

// waitIncarnation waits until the node is registered as the incarnation.
func (n *node) waitIncarnation(want uint64) {
	n.t.Helper()
	if !eventually(func() bool { st := n.Status(); return st.GetRegistered() && st.GetIncarnation() == want }) {
		n.t.Fatalf("registered %v as incarnation %d, not %d", n.Status().GetRegistered(), n.Status().GetIncarnation(), want)
	}
}

// The Register of an older start comes after that of the present one: the log knows
// an incarnation that no process is, until the node learns of it from its orders.
func TestSupersededNodeRegistersAnew(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t)
	log := newStartLog(r)
	n := start(t, configFor(t, r.addr))
	n.waitReady()
	h := n.put([]byte("stone"), "1.20")
	log.late()
	batch := func(term, incarnation uint64) answer {
		_, a := n.send(&pb.OrdersRequest{Generation: 1, Term: term, Node: 7, Incarnation: incarnation, Orders: []*pb.Order{deleteOrder(h, 30)}})
		return a
	}
	if _, a := n.send(&pb.OrdersRequest{Generation: 1, Term: 5, Node: 7, Incarnation: 1}); a.StatusCode != http.StatusOK {
		t.Fatalf("orders for its own incarnation: %d %s", a.StatusCode, a.body)
	}
	n.wantKind(batch(4, 2), protocol.OrderRefused)
	n.waitIncarnation(1)
	n.wantKind(batch(5, 2), protocol.NotRegistered)
	n.waitIncarnation(3)
	if a := n.do(http.MethodGet, pathOf([]byte("stone")), nil); a.StatusCode != http.StatusOK {
		t.Errorf("an order of which nothing may be carried out was: %d", a.StatusCode)
	}
	asked := r.questions()
	first, last := asked[0], asked[len(asked)-1]
	if len(asked) != 2 || bytes.Equal(first.GetStart(), last.GetStart()) || last.GetDisks()[0].GetAcks() == 0 {
		t.Errorf("%d questions; the last shows %v", len(asked), last)
	}
	// An order under way for long, of before, changes nothing.
	if _, a := n.send(&pb.OrdersRequest{Generation: 1, Term: 5, Node: 7, Incarnation: 2}); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if got := n.order(copyOrder(h, 40)); got.GetAck().GetIncarnation() != 3 {
		t.Errorf("it acknowledges as %v", got)
	}
	if a := n.do(http.MethodGet, "/readyz", nil); a.StatusCode != http.StatusOK {
		t.Errorf("readyz: %d", a.StatusCode)
	}
}

// A start is applied, its answer is lost, and the request of an older one comes: the
// repetition is stale for ever.
func TestStaleStartIsDrawnAnew(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t)
	log := newStartLog(r)
	lost := false
	r.answering(func(q *pb.RegisterRequest) (*pb.RegisterAnswer, error) {
		a, err := log.register(q)
		if !lost {
			lost = true
			log.late()
			return nil, protocol.Errorf(protocol.UnknownOutcome, "the answer is lost")
		}
		return a, err
	})
	dead := listen(t)
	_ = dead.Close()
	n := start(t, configFor(t, r.addr, dead.Addr().String()))
	n.waitReady()
	n.waitIncarnation(3)
	n.mustPut([]byte("now"))
}

// Metadata that was restored knows the node by what it was at the backup: a
// generation above the one it was admitted in has it register anew, once.
func TestHigherGenerationRegistersAnew(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t)
	log := newStartLog(r)
	n := start(t, configFor(t, r.addr))
	n.waitReady()
	log.change(func() { log.generation, log.incarnation = 2, 1<<32 })
	q := &pb.OrdersRequest{Generation: 2, Term: 1, Node: 7, Incarnation: 1}
	_, a := n.send(q)
	n.wantKind(a, protocol.NotRegistered)
	n.waitIncarnation(1<<32 + 1)
	if asked := r.questions(); len(asked) != 2 || asked[1].GetHighestSeen().GetGeneration() != 2 {
		t.Errorf("asked %v", asked)
	}
	if _, a := n.send(q); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// A node that was removed meanwhile is told so.
func TestSupersededAndRemoved(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t)
	newStartLog(r)
	n := start(t, configFor(t, r.addr))
	n.waitReady()
	r.answering(func(*pb.RegisterRequest) (*pb.RegisterAnswer, error) {
		return nil, protocol.Errorf(protocol.Removed, "go away")
	})
	_, a := n.send(&pb.OrdersRequest{Generation: 1, Term: 1, Node: 7, Incarnation: 2})
	n.wantKind(a, protocol.NotRegistered)
	if err := waitFor(t, n); protocol.KindOf(err) != protocol.Removed {
		t.Errorf("ended with %v", err)
	}
}
