package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// generous is how long a state may take to come about on a busy machine.
const generous = 30 * time.Second

// bed is a state machine as the log, and blockservers that keep versions in maps:
// what a leader's loops meet, with faults at a test's will.
type bed struct {
	t    testing.TB
	mu   sync.Mutex
	m    *state.Machine
	rows *table.Memory
	// index is the log's.
	index uint64
	nodes []*node
}

func newBed(t testing.TB, n int) *bed {
	t.Helper()
	rows := table.NewMemory()
	m, err := state.Open(rows)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, m: m, rows: rows}
	b.must(&record.Command{Body: &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{Cluster: id("cluster"), Settings: &record.Settings{Redundancy: 3, Quorum: 2}}}})
	for i := range n {
		b.nodes = append(b.nodes, &node{bed: b, id: uint32(i + 1), incarnation: 1, files: map[protocol.Hash]protocol.Version{}})
		b.register(i, 1, 0)
	}
	return b
}

func id(name string) []byte {
	h := protocol.HashOf([]byte(name))
	return h[:16]
}

func (b *bed) register(i int, start int, acks uint64) {
	b.t.Helper()
	b.must(&record.Command{Body: &record.Command_Register{Register: &pb.RegisterRequest{
		Identity: id(fmt.Sprint("node", i)), Address: address(uint32(i + 1)), Start: id(fmt.Sprint("start", i, start)),
		Disks: []*pb.DiskInfo{{Disk: id(fmt.Sprint("disk", i)), CapacityBytes: 1 << 30, Acks: acks}},
	}}})
}

func address(n uint32) string { return fmt.Sprintf("node-%d:1", n) }

// Propose is dispatch.Log's.
func (b *bed) Propose(ctx context.Context, cmd *record.Command) (*record.Result, error) {
	if ctx.Err() != nil {
		return nil, protocol.Errorf(protocol.Canceled, "too late")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	data, err := (&record.Entry{Commands: []*record.Command{cmd}}).MarshalVT()
	if err != nil {
		return nil, err
	}
	b.index++
	results, err := b.m.Apply(b.index, 1, data)
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// View is dispatch.Log's.
func (b *bed) View(context.Context, pb.Level, protocol.Version) (state.View, error) {
	return b.rows.View(), nil
}

func (b *bed) must(c *record.Command) *record.Result {
	b.t.Helper()
	r, err := b.Propose(context.Background(), c)
	if err != nil || r.Kind != 0 {
		b.t.Fatalf("%T: %v, %v", c.Body, r, err)
	}
	return r
}

func (b *bed) version() protocol.Version {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.m.Version()
}

// put commits an object of one block that the nodes hold.
func (b *bed) put(text string, nodes ...uint32) {
	b.t.Helper()
	h, v := protocol.HashOf([]byte(text)), b.version()
	var claims []*pb.Claim
	for _, n := range nodes {
		at := b.nodes[n-1]
		at.set(h, v)
		claims = append(claims, &pb.Claim{Node: n, Incarnation: at.incarnation, Ack: 5, Generation: v.Generation, Counter: v.Counter})
	}
	b.must(&record.Command{Body: &record.Command_Commit{Commit: &pb.CommitRequest{
		Bucket: "bucket", Name: text, Size: 100, Claims: claims,
		Blocks: &pb.Blocks{Hashes: h[:], PlainSizes: []uint32{100}, StoredSizes: []uint32{60}},
	}}})
}

func (b *bed) delete(text string) {
	b.t.Helper()
	b.must(&record.Command{Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "bucket", Items: []*pb.DeleteItem{{Name: text}}}}})
}

func (b *bed) row(text string) *record.Block {
	b.t.Helper()
	row, _, err := state.BlockRow(b.rows.View(), protocol.HashOf([]byte(text)))
	if err != nil {
		b.t.Fatal(err)
	}
	return row
}

// lead runs a dispatcher for one term; the function returned ends it.
func (b *bed) lead(d *dispatch.Dispatcher, term uint64) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx, term)
	}()
	end = func() { cancel(); <-done }
	b.t.Cleanup(end)
	return end
}

func (b *bed) dispatcher() *dispatch.Dispatcher {
	return dispatch.New(dispatch.Config{
		Log: b, Nodes: b, Registry: prometheus.NewRegistry(), Ping: func(context.Context, string) (*pb.BlockserverStatus, error) { return nil, nil },
		Timing: dispatch.Timing{
			UnreferenceTick: 20 * time.Millisecond, RoundTick: 20 * time.Millisecond, Rest: 10 * time.Millisecond, MaxRest: 40 * time.Millisecond,
			EffectWait: 50 * time.Millisecond, WriterWait: 20 * time.Millisecond, WalkPause: 5 * time.Millisecond, WalkRest: 50 * time.Millisecond,
			OrderTimeout: 200 * time.Millisecond,
		},
	})
}

func (b *bed) eventually(what string, fn func() bool) {
	b.t.Helper()
	for end := time.Now().Add(generous); !fn(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s did not come about", what)
		}
	}
}

// node is one blockserver. Its faults may be changed under mu.
type node struct {
	bed *bed
	id  uint32

	mu          sync.Mutex
	incarnation uint64
	files       map[protocol.Hash]protocol.Version
	// says is the number that it answers with; 0: its own.
	says uint32
	// fault is asked before each batch: an error is the answer; after tells that
	// the batch is carried out all the same.
	fault func(q *pb.OrdersRequest) (err error, after bool)
	// answer may change what an order is answered.
	answer func(o *pb.Order) *pb.OrderAnswer
	busy   int
	seen   []*pb.OrdersRequest
	// anew: it registers anew when its orders name a higher incarnation.
	anew bool
	// pages counts those of its inventory that were read.
	pages int
}

func (n *node) asked() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pages
}

func (n *node) set(h protocol.Hash, v protocol.Version) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.files[h] = n.files[h].Max(v)
}

func (n *node) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.files)
}

func (n *node) change(fn func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fn()
}

func (b *bed) at(addr string) *node {
	for _, n := range b.nodes {
		if address(n.id) == addr {
			return n
		}
	}
	return nil
}

// Orders is dispatch.Nodes'.
func (b *bed) Orders(ctx context.Context, addr string, q *pb.OrdersRequest) (*pb.OrdersAnswer, error) {
	n := b.at(addr)
	n.mu.Lock()
	if n.busy++; n.busy > 1 {
		b.t.Errorf("node %d has %d batches in flight", n.id, n.busy)
	}
	n.seen = append(n.seen, q)
	fault, superseded := n.fault, n.anew && q.Incarnation > n.incarnation
	n.mu.Unlock()
	defer n.change(func() { n.busy-- })
	if superseded {
		b.register(int(n.id-1), int(q.Incarnation)+100, 0)
		n.change(func() { n.incarnation = q.Incarnation + 1 })
		return nil, protocol.Errorf(protocol.NotRegistered, "registers anew")
	}
	var err error
	after := true
	if fault != nil {
		err, after = fault(q)
	}
	if ctx.Err() != nil {
		return nil, protocol.Errorf(protocol.UnknownOutcome, "no answer came")
	}
	ans := &pb.OrdersAnswer{FreeSlots: 8, Node: n.id}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.says != 0 {
		ans.Node = n.says
	}
	if after {
		for _, o := range q.Orders {
			ans.Answers = append(ans.Answers, n.carry(o))
		}
	}
	if err != nil {
		return nil, err
	}
	return ans, nil
}

func (n *node) carry(o *pb.Order) *pb.OrderAnswer {
	if n.answer != nil {
		if a := n.answer(o); a != nil {
			a.Id = o.Id
			return a
		}
	}
	h, v := protocol.Hash(o.Hash), protocol.Version{Generation: o.Version.Generation, Counter: o.Version.Counter}
	have, found := n.files[h]
	switch {
	case o.Kind == pb.OrderKind_ORDER_KIND_DELETE && (!found || have.Less(v)):
		delete(n.files, h)
		return &pb.OrderAnswer{Id: o.Id, Outcome: pb.Outcome_OUTCOME_NONE_BELOW}
	case o.Kind == pb.OrderKind_ORDER_KIND_DELETE:
		return n.ack(o, pb.Outcome_OUTCOME_KEPT)
	case o.Kind == pb.OrderKind_ORDER_KIND_COPY:
		n.files[h] = have.Max(v)
	case !found:
		return &pb.OrderAnswer{Id: o.Id, Outcome: pb.Outcome_OUTCOME_LOST}
	}
	return n.ack(o, pb.Outcome_OUTCOME_HELD)
}

func (n *node) ack(o *pb.Order, outcome pb.Outcome) *pb.OrderAnswer {
	v := n.files[protocol.Hash(o.Hash)]
	return &pb.OrderAnswer{Id: o.Id, Outcome: outcome, Ack: &pb.Ack{
		Hash: o.Hash, Node: n.id, Incarnation: n.incarnation, Ack: 9, PlainSize: 100, StoredSize: 60,
		Version: &pb.Version{Generation: v.Generation, Counter: v.Counter},
	}}
}

// Inventory is dispatch.Nodes', in pages of three.
func (b *bed) Inventory(_ context.Context, addr string, after protocol.Hash) (*pb.InventoryPage, error) {
	n := b.at(addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pages++
	page := &pb.InventoryPage{Node: n.id, Incarnation: n.incarnation}
	if n.says != 0 {
		page.Node = n.says
	}
	for h, v := range n.files {
		if h.Compare(after) > 0 {
			page.Items = append(page.Items, &pb.InventoryItem{Hash: h[:], Version: &pb.Version{Generation: v.Generation, Counter: v.Counter}, State: "good"})
		}
	}
	slices.SortFunc(page.Items, func(x, y *pb.InventoryItem) int { return bytes.Compare(x.Hash, y.Hash) })
	if len(page.Items) > 3 {
		page.Items = page.Items[:3]
		page.Next = page.Items[2].Hash
	}
	return page, nil
}
