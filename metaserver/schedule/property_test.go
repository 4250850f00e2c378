package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// world adds chance to a bed: answers get lost, old orders arrive late and
// twice, nodes go and come.
type world struct {
	*bed
	r    *rand.Rand
	live map[string]bool
	// late are orders that were sent once.
	late []lateOrder
}

type lateOrder struct {
	node  protocol.NodeID
	order *pb.Order
}

// TestPlansAreSafeAndFinish runs plans under faults and changes of layout, and
// judges each; when the faults stop, every block comes to stand where it is to,
// and when everything is deleted, nothing remains.
func TestPlansAreSafeAndFinish(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			w := &world{bed: newBed(t, 5), r: rand.New(rand.NewPCG(seed, 1)), live: map[string]bool{}}
			for range 120 {
				w.step()
				w.copiesExist()
			}
			w.comesInLine()
			w.clean()
		})
	}
}

func (w *world) text() string { return fmt.Sprint("block", w.r.IntN(12)) }

func (w *world) step() {
	w.now += int64(w.r.IntN(4000))
	switch w.r.IntN(12) {
	case 0, 1:
		text := w.text()
		nodes := w.r.Perm(len(w.files))[:2+w.r.IntN(3)]
		var ids []protocol.NodeID
		for _, n := range nodes {
			ids = append(ids, protocol.NodeID(n+1))
		}
		w.put(text, ids...)
		w.live[text] = true
	case 2, 3:
		if text := w.text(); w.live[text] {
			w.delete(text)
			delete(w.live, text)
		}
	case 4:
		n := protocol.NodeID(w.r.IntN(len(w.files)) + 1)
		w.down[n] = !w.down[n]
	case 5:
		w.lateOrder()
	case 6:
		w.walk(protocol.NodeID(w.r.IntN(len(w.files)) + 1))
	case 7:
		w.operate()
	default:
		w.round()
	}
}

// lateOrder executes an old order again, as a deposed leader may.
func (w *world) lateOrder() {
	if len(w.late) == 0 {
		return
	}
	l := w.late[w.r.IntN(len(w.late))]
	answer := w.execute(l.node, l.order)
	if w.r.IntN(2) == 0 {
		w.settle(w.observe(), l.node, []*pb.Order{l.order}, []*pb.OrderAnswer{answer})
	}
}

func (w *world) round() {
	obs := w.observe()
	obs.Chance = w.r.Uint64()
	for i := range obs.Nodes {
		obs.Nodes[i].FreeSlots = w.r.IntN(6)
	}
	if len(w.late) > 0 && w.r.IntN(2) == 0 {
		l := w.late[w.r.IntN(len(w.late))]
		obs.InFlight = []schedule.Ref{{Hash: protocol.Hash(l.order.Hash), Node: l.node}}
	}
	p := w.plan(obs)
	w.judge(obs, p)
	for _, n := range p.Orders {
		for _, o := range n.Orders {
			w.late = append(w.late, lateOrder{n.Node, o})
		}
		switch w.r.IntN(4) {
		case 0: // the batch is lost
		case 1: // its answers are
			for _, o := range n.Orders {
				w.execute(n.Node, o)
			}
		default:
			w.carry(obs, n.Node, n.Orders)
		}
	}
	for _, c := range p.Commands {
		if w.r.IntN(4) > 0 {
			w.must(c)
		}
	}
}

// judge holds a plan against the invariants of the package comment.
func (w *world) judge(obs schedule.Observation, p schedule.Plan) {
	w.tb.Helper()
	seen := map[schedule.Ref]bool{}
	for _, r := range obs.InFlight {
		seen[r] = true
	}
	for _, n := range p.Orders {
		at := obs.Nodes[n.Node-1]
		if !at.Reachable || len(n.Orders) > at.FreeSlots {
			w.tb.Fatalf("node %s, reachable %v with %d slots, is sent %d orders", n.Node, at.Reachable, at.FreeSlots, len(n.Orders))
		}
		for _, o := range n.Orders {
			ref := schedule.Ref{Hash: protocol.Hash(o.Hash), Node: n.Node}
			if seen[ref] {
				w.tb.Fatalf("two orders are under way for %v", ref)
			}
			seen[ref] = true
			w.judgeOrder(o)
		}
	}
}

func (w *world) judgeOrder(o *pb.Order) {
	w.tb.Helper()
	info, err := state.BlockInfo(w.table, &pb.BlockInfoRequest{Hash: o.Hash})
	if err != nil {
		w.tb.Fatal(err)
	}
	switch {
	case o.Kind == pb.OrderKind_ORDER_KIND_DELETE && versionOf(info.Floor).Less(versionOf(o.Version)):
		w.tb.Fatalf("an order deletes below %s where fl(h) is %s", versionOf(o.Version), versionOf(info.Floor))
	case o.Kind == pb.OrderKind_ORDER_KIND_COPY && versionOf(o.Version) != w.m.Version():
		w.tb.Fatalf("a copy at %s where the state is at %s", versionOf(o.Version), w.m.Version())
	}
}

// walk judges one node's inventory and carries out what follows.
func (w *world) walk(n protocol.NodeID) schedule.Walk {
	walk := w.strays(n)
	if w.down[n] {
		return walk
	}
	for _, o := range walk.Orders {
		w.judgeOrder(o)
		w.late = append(w.late, lateOrder{n, o})
	}
	w.carry(w.observe(), n, walk.Orders)
	for _, c := range walk.Commands {
		w.must(c)
	}
	return walk
}

// copiesExist is the first statement of reclamation.md, What must always hold.
func (w *world) copiesExist() {
	w.tb.Helper()
	err := state.ScanBlocks(w.table, protocol.Hash{}, 1000, func(h protocol.Hash, b *record.Block) bool {
		for _, c := range b.Copies {
			v, found := w.files[c.Node-1][h]
			if !found || v.Less(protocol.Version{Generation: c.Generation, Counter: c.Counter}) {
				w.tb.Fatalf("%s is counted on node %d at %d.%d; there is %v at %s", h.Short(), c.Node, c.Generation, c.Counter, found, v)
			}
		}
		return true
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}

// operate changes the layout, or takes a node for down, away or up.
func (w *world) operate() {
	if len(w.files) < 7 && w.r.IntN(5) == 0 {
		w.join()
		return
	}
	id := uint32(w.r.IntN(len(w.files)) + 1)
	kind := pb.NodeChange_WEIGHT
	switch n := w.node(id); n.State {
	case pb.NodeState_NODE_STATE_JOINING:
		kind = pb.NodeChange_ADD
	case pb.NodeState_NODE_STATE_DRAINING, pb.NodeState_NODE_STATE_DRAINED:
		if kind = pb.NodeChange_CANCEL_DRAIN; w.r.IntN(2) == 0 {
			w.become(id, pb.NodeState_NODE_STATE_DRAINED, false)
			return
		}
	case pb.NodeState_NODE_STATE_UP:
		if kind = pb.NodeChange_DRAIN; w.r.IntN(2) == 0 {
			w.become(id, pb.NodeState_NODE_STATE_DOWN, false)
			return
		}
	case pb.NodeState_NODE_STATE_DOWN:
		if w.become(id, pb.NodeState_NODE_STATE_DOWN, true); w.r.IntN(2) == 0 {
			w.become(id, pb.NodeState_NODE_STATE_UP, false)
		}
		return
	}
	if plan, err := state.PlanLayout(w.table, []*pb.NodeChange{{Node: id, Kind: kind}}); err == nil {
		w.must(&record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
			IfLayoutVersion: plan.LayoutVersion, Changes: plan.Changes, Algorithm: plan.Algorithm, TableDigest: plan.TableDigest,
		}}})
	}
}

// comesInLine ends the faults and expects that every block comes to stand where it
// is to, and that the last sweep is done.
func (w *world) comesInLine() {
	w.tb.Helper()
	clear(w.down)
	for id := range uint32(len(w.files)) {
		if w.node(id+1).State == pb.NodeState_NODE_STATE_DOWN {
			w.become(id+1, pb.NodeState_NODE_STATE_UP, false)
		}
	}
	w.change(pb.NodeChange_NONE)
	for range 60 {
		w.now += schedule.MaxBackoffMs
		walked := 0
		for i := range w.files {
			walk := w.walk(protocol.NodeID(i + 1))
			walked += len(walk.Orders) + len(walk.Commands)
		}
		obs := w.observe()
		p := w.plan(obs)
		if p.Empty() && walked == 0 {
			break
		}
		for _, n := range p.Orders {
			w.carry(obs, n.Node, n.Orders)
		}
		for _, c := range p.Commands {
			w.must(c)
		}
	}
	if number, s, err := state.RunningSweep(w.table); err != nil || s != nil {
		w.tb.Fatalf("sweep %d runs: %v, %v, planned\n%s", number, s, err, w.plan(w.observe()))
	}
	for text := range w.live {
		if s := w.standing(text); !s.InLine() && len(w.row(text).Copies) > 0 {
			w.tb.Errorf("%s stands as %+v, row %v", text, s, w.row(text))
		}
	}
}

// clean ends the faults, deletes everything, and expects that nothing remains.
func (w *world) clean() {
	w.tb.Helper()
	clear(w.down)
	for i := range 12 {
		if text := fmt.Sprint("block", i); w.live[text] {
			w.delete(text)
		}
	}
	for range 60 {
		w.now += schedule.MaxBackoffMs
		obs := w.observe()
		files := 0
		for i := range w.files {
			obs.StrayAbove = obs.StrayAbove.Max(w.walk(protocol.NodeID(i + 1)).Waits)
			files += len(w.files[i])
		}
		p := w.plan(obs)
		if files == 0 && p.Empty() {
			w.empty()
			return
		}
		for _, n := range p.Orders {
			w.carry(obs, n.Node, n.Orders)
		}
		for _, c := range p.Commands {
			w.must(c)
		}
	}
	w.tb.Fatalf("files %v remain, planned\n%s", w.files, w.plan(w.observe()))
}

func (w *world) empty() {
	w.tb.Helper()
	err := state.ScanBlocks(w.table, protocol.Hash{}, 1, func(h protocol.Hash, b *record.Block) bool {
		w.tb.Errorf("%s remains: %v", h.Short(), b)
		return false
	})
	if err != nil {
		w.tb.Error(err)
	}
}
