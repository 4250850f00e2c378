package blockserver

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/orders"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func orderOf(kind pb.OrderKind, h protocol.Hash, counter uint64, sources ...string) *pb.Order {
	return &pb.Order{Id: counter, Kind: kind, Hash: h[:], Version: &pb.Version{Generation: 1, Counter: counter}, Sources: sources}
}

func copyOrder(h protocol.Hash, o uint64, sources ...string) *pb.Order {
	return orderOf(pb.OrderKind_ORDER_KIND_COPY, h, o, sources...)
}

func deleteOrder(h protocol.Hash, t uint64) *pb.Order {
	return orderOf(pb.OrderKind_ORDER_KIND_DELETE, h, t)
}

func verifyOrder(h protocol.Hash, u uint64) *pb.Order {
	return orderOf(pb.OrderKind_ORDER_KIND_VERIFY, h, u)
}

// send posts a batch as a leader does.
func (n *node) send(q *pb.OrdersRequest) (*pb.OrdersAnswer, answer) {
	n.t.Helper()
	body, err := q.MarshalVT()
	if err != nil {
		n.t.Fatal(err)
	}
	a := n.do(http.MethodPost, protocol.PathOrders, body, "Content-Type", protocol.TypeProtobuf, "Accept", protocol.TypeProtobuf)
	out := &pb.OrdersAnswer{}
	if a.StatusCode == http.StatusOK {
		if err := out.UnmarshalVT(a.body); err != nil {
			n.t.Fatal(err)
		}
	}
	return out, a
}

// order carries one order out and returns its answer.
func (n *node) order(o *pb.Order) *pb.OrderAnswer {
	n.t.Helper()
	got, a := n.send(&pb.OrdersRequest{Generation: 1, Term: 5, Orders: []*pb.Order{o}})
	if len(got.GetAnswers()) != 1 || got.Answers[0].Id != o.Id {
		n.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	return got.Answers[0]
}

func (n *node) wantOutcome(o *pb.Order, want pb.Outcome, kind protocol.Kind) *pb.OrderAnswer {
	n.t.Helper()
	got := n.order(o)
	if got.Outcome != want || protocol.Kind(got.Kind) != kind {
		n.t.Errorf("%v at %d: %v, want %v, %v", o.Kind, o.Version.Counter, got, want, kind)
	}
	return got
}

func (n *node) put(plain []byte, version string) protocol.Hash {
	n.t.Helper()
	if a := n.do(http.MethodPut, pathOf(plain), plain, protocol.HeaderVersion, version); a.StatusCode != http.StatusCreated {
		n.t.Fatalf("PUT: %d %s", a.StatusCode, a.body)
	}
	return protocol.HashOf(plain)
}

const (
	held   = pb.Outcome_OUTCOME_HELD
	none   = pb.Outcome_OUTCOME_NONE_BELOW
	kept   = pb.Outcome_OUTCOME_KEPT
	lost   = pb.Outcome_OUTCOME_LOST
	failed = pb.Outcome_OUTCOME_FAILED
)

// A file goes if and only if its version is below t; what stays is a claim.
func TestOrderDelete(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	h := n.put([]byte("stone"), "1.20")
	if a := n.wantOutcome(deleteOrder(h, 20), kept, 0); a.GetAck().GetVersion().GetCounter() != 20 || a.Ack.Node != 7 || a.Ack.Ack == 0 {
		t.Errorf("kept without a claim: %v", a)
	}
	n.wantOutcome(deleteOrder(h, 21), none, 0)
	n.wantOutcome(deleteOrder(h, 21), none, 0)
	n.wantEmpty()
	if a := n.do(http.MethodGet, pathOf([]byte("stone")), nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("deleted and answered %d", a.StatusCode)
	}
}

// A copy is a touch where the block is, and a verified fetch where it is not,
// in one piece or in several.
func TestOrderCopy(t *testing.T) {
	t.Parallel()
	from, to := startReady(t), startReady(t)
	for _, size := range []int{0, 1, 100_000, 9<<20 + 5} {
		plain := noise(uint64(size), size)
		h := from.put(plain, "1.20")
		a := to.wantOutcome(copyOrder(h, 30, "127.0.0.1:1", from.Addr()), held, 0)
		if a.GetAck().GetVersion().GetCounter() != 30 || a.Ack.PlainSize != uint32(size) {
			t.Fatalf("ack %v", a)
		}
		if got := to.do(http.MethodGet, pathOf(plain), nil); string(got.body) != string(plain) {
			t.Fatalf("%d bytes came back as %d", size, len(got.body))
		}
		if a := to.wantOutcome(copyOrder(h, 25), held, 0); a.GetAck().GetVersion().GetCounter() != 30 {
			t.Errorf("a lower copy order: %v", a)
		}
		if a := to.wantOutcome(copyOrder(h, 40), held, 0); a.GetAck().GetVersion().GetCounter() != 40 {
			t.Errorf("a touch: %v", a)
		}
	}
	to.wantNoLease()
	missing := protocol.HashOf([]byte("nowhere"))
	to.wantOutcome(copyOrder(missing, 30, from.Addr()), failed, protocol.NotFound)
	to.wantOutcome(copyOrder(missing, 30), failed, protocol.InvalidArgument)
}

// A source with bad bytes is not believed; the next one is asked.
func TestOrderCopyFromALiar(t *testing.T) {
	t.Parallel()
	bad, good, to := startReady(t), startReady(t), startReady(t)
	plain := noise(3, 5<<20)
	h := bad.put(plain, "1.20")
	good.put(plain, "1.20")
	damage(t, bad, h)
	to.wantOutcome(copyOrder(h, 30, bad.Addr(), good.Addr()), held, 0)
	if got := to.do(http.MethodGet, pathOf(plain), nil); string(got.body) != string(plain) {
		t.Fatalf("%d bytes came back", len(got.body))
	}
}

// A bad file is absent before Lost is said, and stays known as quarantined.
func TestOrderVerify(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	h := n.put(noise(1, 5000), "1.20")
	if a := n.wantOutcome(verifyOrder(h, 20), held, 0); a.GetAck().GetVersion().GetCounter() != 20 {
		t.Errorf("%v", a)
	}
	damage(t, n, h)
	n.wantOutcome(verifyOrder(h, 20), lost, 0)
	n.wantOutcome(verifyOrder(h, 20), lost, 0)
	n.wantOutcome(verifyOrder(protocol.HashOf(nil), 20), lost, 0)
	if a := n.do(http.MethodGet, protocol.PathBlocks+"/"+h.String(), nil); a.StatusCode != http.StatusGone {
		t.Errorf("a bad file answered %d", a.StatusCode)
	}
	n.wantOutcome(deleteOrder(h, 21), none, 0)
}

// damage flips a byte in the middle of the block's file.
func damage(t *testing.T, n *node, h protocol.Hash) {
	t.Helper()
	path := filepath.Join(n.cfg.Data[0].Path, "data", h.String()[:2], h.String()[2:4], h.String())
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Lower generations and terms are refused whole, the generation also after a
// restart.
func TestOrdersOfADeposedLeader(t *testing.T) {
	t.Parallel()
	registrar := newRegistrar(t)
	cfg := configFor(t, registrar.addr)
	n := start(t, cfg)
	n.waitReady()
	batch := func(generation uint32, term uint64) (a answer) {
		// A new generation has the node register anew first.
		if !eventually(func() bool {
			_, a = n.send(&pb.OrdersRequest{Generation: generation, Term: term})
			return a.kind() != protocol.NotRegistered.String()
		}) {
			t.Fatal("not registered in time")
		}
		return a
	}
	for _, c := range []struct {
		generation uint32
		term       uint64
		refused    bool
	}{{1, 5, false}, {1, 5, false}, {1, 4, true}, {2, 1, false}, {1, 9, true}, {2, 0, true}, {2, 7, false}} {
		a := batch(c.generation, c.term)
		if c.refused {
			n.wantKind(a, protocol.OrderRefused)
		} else if a.StatusCode != http.StatusOK {
			t.Errorf("generation %d, term %d: %d %s", c.generation, c.term, a.StatusCode, a.body)
		}
	}
	n.stop()
	n = start(t, cfg)
	n.waitReady()
	n.wantKind(batch(1, 100), protocol.OrderRefused)
	if a := batch(2, 1); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// TestOrdersBehindADeleteThatHangs: a leader of a new generation whose node has a
// delete under way that does not end is told Busy within its slice, and is let in
// when the delete has ended.
func TestOrdersBehindADeleteThatHangs(t *testing.T) {
	t.Parallel()
	disk := crashfs.New(crashfs.Config{})
	cfg := configFor(t, newRegistrar(t).addr)
	cfg.Data = []store.Dir{{Path: "disk", FS: disk}}
	n := start(t, cfg)
	n.waitReady()
	h := n.put([]byte("stone"), "1.20")
	if _, a := n.send(&pb.OrdersRequest{Generation: 1, Term: 5}); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	begun, released := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(released) })
	t.Cleanup(goOn)
	first := true
	disk.SetHook(func(op crashfs.Op) *crashfs.Fault {
		if first && op.Verb.Changes() {
			first = false
			close(begun)
			<-released
		}
		return nil
	})
	deleted := make(chan answer, 1)
	go func() {
		_, a := n.send(&pb.OrdersRequest{Generation: 1, Term: 5, Orders: []*pb.Order{deleteOrder(h, 30)}})
		deleted <- a
	}()
	<-begun
	for range 2 * 4 {
		_, a := n.send(&pb.OrdersRequest{Generation: 2, Term: 1, SliceMs: 1})
		n.wantKind(a, protocol.Busy)
	}
	if n.Node() != 7 {
		t.Error("superseded before the new generation was let in")
	}
	goOn()
	if a := <-deleted; a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if !eventually(func() bool {
		_, a := n.send(&pb.OrdersRequest{Generation: 2, Term: 1})
		return a.StatusCode == http.StatusOK
	}) {
		t.Error("not let in when the delete has ended")
	}
}

func TestOrdersRefused(t *testing.T) {
	t.Parallel()
	n := startReady(t)
	h := n.put([]byte("stone"), "1.20")
	n.wantOutcome(orderOf(9, h, 30), failed, protocol.Unsupported)
	n.wantOutcome(&pb.Order{Kind: pb.OrderKind_ORDER_KIND_DELETE, Hash: h[:]}, failed, protocol.InvalidArgument)
	n.wantOutcome(&pb.Order{Kind: pb.OrderKind_ORDER_KIND_DELETE, Hash: h[:5], Version: &pb.Version{Counter: 9}}, failed, protocol.InvalidArgument)
	_, a := n.send(&pb.OrdersRequest{Generation: 1, Orders: make([]*pb.Order, orders.MaxBatch+1)})
	n.wantKind(a, protocol.TooLarge)
	_, a = n.send(&pb.OrdersRequest{Generation: protocol.MaxGeneration + 1, Term: 5})
	n.wantKind(a, protocol.InvalidArgument)
	_, a = n.send(&pb.OrdersRequest{Generation: 1, Term: 5, Node: 8, Orders: []*pb.Order{deleteOrder(h, 30)}})
	n.wantKind(a, protocol.OrderRefused)
	if got, _ := n.send(&pb.OrdersRequest{Generation: 1, Term: 5, Node: 7}); got.Node != 7 || got.Incarnation != 3 || got.FreeSlots == 0 {
		t.Errorf("answered by %v", got)
	}
	early := start(t, configFor(t, "127.0.0.1:1"))
	_, a = early.send(&pb.OrdersRequest{Generation: 1, Orders: []*pb.Order{deleteOrder(h, 30)}})
	early.wantKind(a, protocol.NotRegistered)
	body, err := (&pb.OrdersRequest{Generation: 1, Term: 9}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	a = n.do(http.MethodPost, protocol.PathOrders, body, "Content-Type", protocol.TypeProtobuf, protocol.HeaderCluster, protocol.ID{9}.String())
	n.wantKind(a, protocol.WrongCluster)
}
