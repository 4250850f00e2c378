package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// change applies changes of layout as planned now.
func (b *bed) change(kind pb.NodeChange_Kind, nodes ...uint32) {
	b.tb.Helper()
	var changes []*pb.NodeChange
	for _, n := range nodes {
		changes = append(changes, &pb.NodeChange{Node: n, Kind: kind})
	}
	plan, err := state.PlanLayout(b.table, changes)
	if err != nil {
		b.tb.Fatal(err)
	}
	b.must(&record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
		IfLayoutVersion: plan.LayoutVersion, Changes: changes, Algorithm: plan.Algorithm, TableDigest: plan.TableDigest,
	}}})
}

// become steps a node to a state.
func (b *bed) become(node uint32, s pb.NodeState, away bool) *record.Result {
	b.tb.Helper()
	n := b.node(node)
	return b.apply(&record.Command{Body: &record.Command_SetNodeState{SetNodeState: &record.SetNodeState{
		Node: node, State: s, IfState: n.State, IfIncarnation: n.Incarnation, Away: away,
	}}})
}

func (b *bed) node(id uint32) *record.Node {
	b.tb.Helper()
	nodes, err := state.Nodes(b.table)
	if err != nil {
		b.tb.Fatal(err)
	}
	return nodes[id-1]
}

// standing is how a block's copies compare with the placement.
func (b *bed) standing(text string) state.Standing {
	b.tb.Helper()
	p, err := state.PlacingOf(b.table)
	if err != nil {
		b.tb.Fatal(err)
	}
	h := hashOf(text)
	return p.StandingOf(h[:], b.row(text))
}

// inLine fails unless the blocks stand just where they are to, in files too.
func (b *bed) inLine(texts []string, ignore ...protocol.NodeID) {
	b.tb.Helper()
	for _, text := range texts {
		s := b.standing(text)
		if !s.InLine() || b.row(text).Moving != 0 {
			b.tb.Errorf("%s stands as %+v, row %v", text, s, b.row(text))
		}
		for i, files := range b.files {
			_, has := files[hashOf(text)]
			if n := protocol.NodeID(i + 1); !slices.Contains(ignore, n) && has != slices.Contains(s.Targets, uint32(n)) {
				b.tb.Errorf("%s is to stand on %v; node %s holds it: %v", text, s.Targets, n, has)
			}
		}
	}
}

// settledBed has blocks that stand in line on n nodes.
func settledBed(t *testing.T, n int) (b *bed, texts []string) {
	t.Helper()
	b = newBed(t, n)
	for i := range 20 {
		text := fmt.Sprint("block", i)
		texts = append(texts, text)
		var on []protocol.NodeID
		h := hashOf(text)
		p, err := state.PlacingOf(b.table)
		if err != nil {
			t.Fatal(err)
		}
		for _, node := range p.Wanted(h[:], nil) {
			on = append(on, protocol.NodeID(node))
		}
		b.put(text, on...)
	}
	b.inLine(texts)
	return b, texts
}

func (b *bed) waits(why string) {
	b.tb.Helper()
	if text := b.plan(b.observe()).String(); !strings.Contains(text, why) {
		b.tb.Errorf("planned:\n%s\nwant %q", text, why)
	}
}

func TestDrainMovesEverything(t *testing.T) {
	b, texts := settledBed(t, 5)
	b.change(pb.NodeChange_DRAIN, 2)
	if r := b.become(2, pb.NodeState_NODE_STATE_DRAINED, false); r.Kind != uint32(protocol.PreconditionFailed) {
		t.Fatalf("drained at once: %v", r)
	}
	b.rounds(20)
	b.inLine(texts)
	if n := b.node(2); n.Copies+n.OwedDeletes > 0 || len(b.files[1]) > 0 {
		t.Errorf("node 2 holds %d copies, owes %d deletes, files %v", n.Copies, n.OwedDeletes, b.files[1])
	}
	b.become(2, pb.NodeState_NODE_STATE_DRAINED, false)
	b.change(pb.NodeChange_CANCEL_DRAIN, 2)
	b.rounds(20)
	b.inLine(texts)
	if b.node(2).Copies == 0 {
		t.Error("nothing was placed on the node again")
	}
}

func TestAddedNodeTakesItsShare(t *testing.T) {
	b, texts := settledBed(t, 3)
	b.join()
	if b.rounds(5); b.node(4).Copies > 0 {
		t.Fatal("a node that is only joining was given blocks")
	}
	b.change(pb.NodeChange_ADD, 4)
	b.rounds(20)
	b.inLine(texts)
	if b.node(4).Copies == 0 {
		t.Error("nothing was placed on the new node")
	}
}

func TestAwayIsMadeAgainElsewhere(t *testing.T) {
	b, texts := settledBed(t, 4)
	b.down[1] = true
	b.become(1, pb.NodeState_NODE_STATE_DOWN, false)
	if b.rounds(5); b.node(1).Copies == 0 {
		t.Fatal("copies of a node that is down were given up")
	}
	held := b.node(1).Copies
	b.become(1, pb.NodeState_NODE_STATE_DOWN, true)
	b.rounds(20)
	b.inLine(texts, 1)
	if b.node(1).Copies != held {
		t.Errorf("%d copies of a node that may return are counted, of %d", b.node(1).Copies, held)
	}
	delete(b.down, 1)
	b.become(1, pb.NodeState_NODE_STATE_UP, false)
	b.rounds(20)
	b.inLine(texts)
}

func TestPausedMoves(t *testing.T) {
	b, _ := settledBed(t, 5)
	b.change(pb.NodeChange_DRAIN, 2)
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	cluster, err := state.ClusterRow(b.table)
	if err != nil {
		t.Fatal(err)
	}
	s := cluster.Settings
	s.PausedClasses = 1 << state.ClassMove
	b.must(&record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{Settings: s, IfVersion: cluster.SettingsVersion}}})
	if p := b.plan(b.observe()); !p.Empty() {
		t.Errorf("planned:\n%s", p)
	}
	b.waits("move, lane 2: 1 wait: the class is paused")
}

// TestSweepWaitsForMoves: a sweep does not mark more than is worked off.
func TestSweepWaitsForMoves(t *testing.T) {
	b, texts := settledBed(t, 5)
	b.change(pb.NodeChange_DRAIN, 2)
	obs := b.observe()
	obs.Limits.Batch, obs.Limits.Marked = 2, 2
	for _, c := range b.plan(obs).Commands {
		b.must(c)
	}
	p := b.plan(obs)
	for _, c := range p.Commands {
		if c.GetSweepStep() != nil {
			t.Errorf("another step was planned:\n%s", p)
		}
	}
	if !strings.Contains(p.String(), "sweep 1: marked blocks to be moved first, of which there are 2") {
		t.Errorf("planned:\n%s", p)
	}
	b.rounds(20)
	b.inLine(texts)
}

// TestFullTargetIsPassedOver: nothing is moved to a node that is full; lost copies
// are made there if nowhere else.
func TestFullTargetIsPassedOver(t *testing.T) {
	b, _ := settledBed(t, 4)
	b.change(pb.NodeChange_DRAIN, 2)
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	obs := b.observe()
	for i := range obs.Nodes {
		obs.Nodes[i].Full = true
	}
	if p := b.plan(obs); len(p.Orders) > 0 || !strings.Contains(p.String(), "these nodes are full") {
		t.Errorf("planned:\n%s", p)
	}
	b.put("new", 1, 3)
	if p := b.plan(obs); len(p.Orders) != 1 || p.Orders[0].Node != 4 || len(p.Orders[0].Orders) != 1 {
		t.Errorf("a lost copy is not made from what full nodes keep in reserve:\n%s", p)
	}
}

// TestMoveWaitsForAnInventory: a suspect copy on a target is no reason to drop
// another one.
func TestMoveWaitsForAnInventory(t *testing.T) {
	b, texts := settledBed(t, 4)
	b.change(pb.NodeChange_DRAIN, 2)
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	obs := b.observe()
	for _, n := range b.plan(obs).Orders {
		for _, o := range n.Orders {
			a := b.execute(n.Node, o)
			a.Ack.Ack = 9
			b.settle(obs, n.Node, []*pb.Order{o}, []*pb.OrderAnswer{a})
		}
	}
	b.register(4, 2, 0)
	for _, c := range b.plan(b.observe()).Commands {
		if c.GetDrop() != nil && slices.ContainsFunc(texts, func(text string) bool {
			h := hashOf(text)
			return string(h[:]) == string(c.GetDrop().Items[0].Hash) && slices.Contains(b.standing(text).Targets, 4)
		}) {
			t.Errorf("dropped while a copy is suspect: %v", c)
		}
	}
	b.waits("the inventory of node 4 is outstanding")
}

// TestFailedMoveIsPostponed: by the row it came from, and a broken target delays
// nobody else.
func TestFailedMoveIsPostponed(t *testing.T) {
	b, texts := settledBed(t, 4)
	b.change(pb.NodeChange_DRAIN, 2)
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	obs := b.observe()
	for _, n := range b.plan(obs).Orders {
		o := n.Orders[0]
		b.settle(obs, n.Node, []*pb.Order{o}, []*pb.OrderAnswer{{Id: o.Id, Outcome: pb.Outcome_OUTCOME_FAILED, Kind: uint32(protocol.Disk), Detail: "the disk is broken"}})
		w, ok, err := state.WorkOf(b.table, protocol.Hash(o.Hash), state.ClassMove, 2)
		if err != nil || !ok || w.Attempts != 1 || w.DueUnixMs <= b.now {
			t.Fatalf("the row is %+v, %v, %v", w, ok, err)
		}
		for _, text := range texts {
			if hashOf(text) == w.Hash {
				b.explained(text, "it failed 1 times, last with disk (the disk is broken); the next try is in")
			}
		}
	}
	b.rounds(20)
	b.now += schedule.MaxBackoffMs
	b.rounds(20)
	b.inLine(texts)
}

func TestExplainMoves(t *testing.T) {
	b, texts := settledBed(t, 5)
	b.change(pb.NodeChange_DRAIN, 2)
	text := texts[slices.IndexFunc(texts, func(text string) bool { return len(b.standing(text).Lacking) > 0 })]
	b.explained(text, "sweep 1 has not come to it yet")
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	target := b.standing(text).Lacking[0]
	b.explained(text, fmt.Sprintf("is to stand on %s; it is due now", strings.Trim(strings.ReplaceAll(fmt.Sprint(b.standing(text).Targets), " ", ", "), "[]")))
	b.down[protocol.NodeID(target)] = true
	b.explained(text, fmt.Sprintf("these nodes do not answer: %d", target))
	clear(b.down)
	obs := b.observe()
	obs.InFlight = []schedule.Ref{{Hash: hashOf(text), Node: protocol.NodeID(target)}}
	if got, err := schedule.Explain(b.table, obs, hashOf(text)); err != nil || !strings.HasSuffix(got, fmt.Sprintf("node %d was ordered to copy it", target)) {
		t.Error(got, err)
	}
	for _, n := range b.plan(b.observe()).Orders {
		b.carry(b.observe(), n.Node, n.Orders)
	}
	b.explained(text, "the copies elsewhere are to be dropped; it is due now")
	b.rounds(20)
	b.explained(text, "it is live and whole")
	// A copy too many goes by itself.
	b.must(&record.Command{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{
		Blocks: &pb.Blocks{Hashes: hashBytes(text), PlainSizes: []uint32{100}, StoredSizes: []uint32{60}}, Claims: b.store(text, b.elsewhere(text)),
	}}})
	b.explained(text, "the copies elsewhere are to be dropped; it is due now")
	// Without a sweep, what a writer has put on a spare stays there.
	places := b.places("spread")
	b.put("spread", protocol.NodeID(places[0]), protocol.NodeID(places[1]), protocol.NodeID(places[3]))
	b.explained("spread", "which the next sweep sees to")
}

// elsewhere is a node that a block is not to stand on and that is not drained.
func (b *bed) elsewhere(text string) protocol.NodeID {
	targets := b.standing(text).Targets
	for i := range b.files {
		if n := uint32(i + 1); !slices.Contains(targets, n) && b.node(n).State == pb.NodeState_NODE_STATE_UP {
			return protocol.NodeID(n)
		}
	}
	b.tb.Fatal("every node is wanted")
	return 0
}

// waitsFor is what a node's drain or rebuild waits for.
func (b *bed) waitsFor(node protocol.NodeID, want string) {
	b.tb.Helper()
	got, err := schedule.Waits(b.table, b.observe(), node)
	if err != nil || !strings.Contains(got, want) || want == "" && got != "" {
		b.tb.Errorf("node %s waits for %q, %v; want %q", node, got, err, want)
	}
}

func TestWaits(t *testing.T) {
	b, _ := settledBed(t, 4)
	b.waitsFor(2, "")
	b.waitsFor(9, "")
	b.change(pb.NodeChange_DRAIN, 2)
	b.waitsFor(2, "sweep 1, which has looked at 0 of 20 blocks")
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	b.waitsFor(2, "")
	b.down[1], b.down[3], b.down[4] = true, true, true
	b.waitsFor(2, "these nodes do not answer: ")
	clear(b.down)
	for range 4 {
		obs := b.observe()
		p := b.plan(obs)
		for _, c := range p.Commands {
			b.must(c)
		}
		for _, n := range p.Orders {
			if n.Node != 2 {
				b.carry(obs, n.Node, n.Orders)
			}
		}
	}
	if b.node(2).Copies > 0 {
		t.Fatal("copies are left")
	}
	b.waitsFor(2, "")
	b.down[2] = true
	b.waitsFor(2, "node 2 does not answer")
	clear(b.down)
	b.rounds(5)
	b.waitsFor(2, "")
	b.must(&record.Command{Body: &record.Command_RemoveNode{RemoveNode: &record.RemoveNode{Node: 2}}})
	b.waitsFor(2, "records that mention it to be cleaned")
	b.rounds(5)
	b.waitsFor(2, "")
}

// TestWaitsForASweep: a drain whose sweep was canceled says so.
func TestWaitsForASweep(t *testing.T) {
	b, _ := settledBed(t, 4)
	b.change(pb.NodeChange_DRAIN, 2)
	b.must(&record.Command{Body: &record.Command_CancelSweep{CancelSweep: &record.CancelSweep{Sweep: 1}}})
	b.rounds(5)
	b.waitsFor(2, "a sweep, and none runs")
	b.down[1] = true
	b.become(1, pb.NodeState_NODE_STATE_DOWN, false)
	b.waitsFor(1, "")
	b.become(1, pb.NodeState_NODE_STATE_DOWN, true)
	b.waitsFor(1, "sweep 2, which")
	for _, c := range b.plan(b.observe()).Commands {
		b.must(c)
	}
	b.waitsFor(1, "")
}
