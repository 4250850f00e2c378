package integration_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client/admin"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// operator is somebody who changes a cluster while it is used.
type operator struct {
	t   *testing.T
	ctx context.Context
	c   *cluster.Cluster
	*admin.Client
}

func newOperator(t *testing.T, ctx context.Context, c *cluster.Cluster) *operator {
	t.Helper()
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sdk.Close() })
	return &operator{t, ctx, c, admin.New(sdk)}
}

// node describes a member by its address; nil while the log does not know it.
func (o *operator) node(m *cluster.Member) *pb.NodeInfo {
	list, err := o.Nodes(o.ctx, false, true)
	if err != nil {
		return nil
	}
	for _, n := range list {
		if n.GetNode().GetAddress() == m.Address {
			return n
		}
	}
	return nil
}

func (o *operator) id(m *cluster.Member) uint32 {
	o.t.Helper()
	n := o.node(m)
	if n == nil {
		o.t.Fatalf("%s is no node", m.Name)
	}
	return n.GetNode().GetNode()
}

// reach waits until the member is in the state.
func (o *operator) reach(m *cluster.Member, state pb.NodeState) {
	o.t.Helper()
	await(o.t, o.ctx, fmt.Sprintf("%s to be %v", m.Name, state), func() bool { return o.node(m).GetNode().GetState() == state })
}

// change plans and applies until nothing moved on in between.
func (o *operator) change(reason string, changes ...*pb.NodeChange) {
	o.t.Helper()
	await(o.t, o.ctx, reason, func() bool {
		plan, err := o.Plan(o.ctx, changes)
		if err == nil {
			_, err = o.Apply(o.ctx, plan, reason)
		}
		switch protocol.KindOf(err) {
		case 0:
			return true
		case protocol.Changed, protocol.Unavailable, protocol.UnknownOutcome:
			return false
		}
		o.t.Fatalf("%s: %v", reason, err)
		return false
	})
	o.t.Logf("%s", reason)
}

// killLeader kills the leader and starts it again.
func (o *operator) killLeader() {
	o.t.Helper()
	var leader *cluster.Member
	await(o.t, o.ctx, "a leader", func() bool {
		var err error
		leader, err = o.c.Leader(o.ctx)
		return err == nil
	})
	if err := leader.Restart(); err != nil {
		o.t.Fatal(err)
	}
}

// run runs the command.
func (o *operator) run(args ...string) string {
	o.t.Helper()
	text, err := o.c.Command(o.ctx, args...).CombinedOutput()
	if err != nil {
		o.t.Fatalf("%v: %v: %s", args, err, text)
	}
	return string(text)
}

// settled waits until every block stands where it belongs, all older layouts are
// retired, nothing dead is left, and each running node has just the files that the
// log counts on it.
func (o *operator) settled() {
	o.t.Helper()
	sdk, err := o.c.Client(o.ctx)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = sdk.Close() }()
	var last string
	defer func() { o.t.Logf("at last: %s", last) }()
	await(o.t, o.ctx, "everything to stand where it belongs", func() bool {
		status, err := sdk.Status(o.ctx)
		if err != nil {
			return false
		}
		n := status.GetCounters()
		if n.GetMovingBlocks()+n.GetUnderReplicatedBlocks()+n.GetUnreferencedBlocks()+n.GetCondemnedBlocks() > 0 {
			last = fmt.Sprintf("%d moving, %d under-replicated, %d unreferenced, %d condemned", n.GetMovingBlocks(), n.GetUnderReplicatedBlocks(), n.GetUnreferencedBlocks(), n.GetCondemnedBlocks())
			return false
		}
		if last = o.unretired(); last != "" {
			return false
		}
		last = o.stray()
		return last == ""
	})
	last = "settled"
}

func (o *operator) unretired() string {
	layouts, err := o.Layouts(o.ctx)
	if err != nil {
		return err.Error()
	}
	for i, l := range layouts {
		if i > 0 && l.GetState() != "retired" {
			return fmt.Sprintf("layout %d is %s", l.GetLayoutVersion(), l.GetState())
		}
	}
	return ""
}

// stray names a running node whose files are not those that are counted on it.
func (o *operator) stray() string {
	for _, m := range o.c.Block {
		if !m.Running() {
			continue
		}
		if n := o.node(m); n == nil || uint64(filesOf(o.t, m)) != n.GetCopies() || n.GetOwedDeletes() > 0 {
			return fmt.Sprintf("%s has %d files, %d counted, %d deletes owed", m.Name, filesOf(o.t, m), n.GetCopies(), n.GetOwedDeletes())
		}
	}
	return ""
}

// TestGrowAndShrinkUnderLoad: while objects are put, read and deleted all along, a
// cluster of four grows to six, one node is drained, one is lost for good and
// removed, a zone and a weight change, with the changes over each other and the
// leader killed at each of them. No read of what was acknowledged fails, and in the
// end every block has its copies where it belongs and there are no others.
func TestGrowAndShrinkUnderLoad(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c, ctx := start(t, cluster.Config{Blockservers: 4})
	o := newOperator(t, ctx, c)
	o.run("gc", "set", "--grace", "0s")
	o.run("node", "settings", "--down-after", "1s", "--away-after", "2s")
	load := startLoad(t, ctx, c, seed)
	load.more(150)

	for range 2 {
		m, err := c.AddBlockserver()
		if err != nil {
			t.Fatal(err)
		}
		o.reach(m, pb.NodeState_NODE_STATE_JOINING)
	}
	fifth, sixth := c.Block[4], c.Block[5]
	o.change("two are added", &pb.NodeChange{Node: o.id(fifth), Kind: pb.NodeChange_ADD}, &pb.NodeChange{Node: o.id(sixth), Kind: pb.NodeChange_ADD})
	o.killLeader()
	load.more(50)

	drained, lost, moved, heavy := c.Block[1], c.Block[2], c.Block[3], c.Block[0]
	o.change("one is drained", &pb.NodeChange{Node: o.id(drained), Kind: pb.NodeChange_DRAIN})
	o.killLeader()
	load.more(50)

	lost.Kill()
	o.reach(lost, pb.NodeState_NODE_STATE_DOWN)
	o.killLeader()
	load.more(50)
	o.removed(lost)
	o.killLeader()

	weight := 2 * (o.node(heavy).GetNode().GetCapacityBytes() >> 30)
	o.change("one is heavier, another elsewhere", &pb.NodeChange{Node: o.id(heavy), Kind: pb.NodeChange_WEIGHT, Weight: weight},
		&pb.NodeChange{Node: o.id(moved), Kind: pb.NodeChange_ZONE, Zone: "zone-elsewhere"})
	o.killLeader()
	load.more(50)

	o.reach(drained, pb.NodeState_NODE_STATE_DRAINED)
	if n := filesOf(t, drained); n > 0 {
		t.Errorf("a drained node has %d files", n)
	}
	o.removed(drained)
	drained.Kill()
	load.more(50)
	load.end()
	o.settled()
	load.verify()
	if a, b := o.node(heavy).GetPlaces(), o.node(fifth).GetPlaces(); a <= b {
		t.Errorf("the heavier node has %d places, another %d", a, b)
	}
}

// removed removes a node as soon as that leaves every block with enough copies.
func (o *operator) removed(m *cluster.Member) {
	o.t.Helper()
	id := o.id(m)
	var last error
	await(o.t, o.ctx, "removal of "+m.Name, func() bool {
		last = o.Remove(o.ctx, id, false)
		return last == nil
	})
	o.t.Logf("%s is removed", m.Name)
}

// TestDrainNamesWhatItWaitsFor: a drain whose destination is down says so by name
// and ends when it returns; one that is canceled leaves the node as it was.
func TestDrainNamesWhatItWaitsFor(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c, ctx := start(t, cluster.Config{Blockservers: 4})
	o := newOperator(t, ctx, c)
	o.run("gc", "set", "--grace", "0s")
	o.run("node", "settings", "--down-after", "1h")
	load := startLoad(t, ctx, c, seed)
	load.more(100)
	load.end()
	// A write that met a slow node has left a copy elsewhere; now all stand in line.
	o.change("balanced anew")
	o.settled()

	going, away := c.Block[0], c.Block[1]
	before := o.node(going)
	away.Kill()
	await(t, ctx, "the leader to miss it", func() bool { n := o.node(away); return n != nil && !n.GetNode().GetReachable() })
	o.change("drain", &pb.NodeChange{Node: o.id(going), Kind: pb.NodeChange_DRAIN})
	want := fmt.Sprintf("do not answer: %d", o.id(away))
	await(t, ctx, "the drain to name what it waits for", func() bool { return contains(o.node(going).GetWaitsFor(), want) })
	load.verify()
	if text := o.run("node", "show", fmt.Sprint(o.id(going))); !contains(text, want) {
		t.Errorf("node show says nothing of it:\n%s", text)
	}
	if err := away.Start(); err != nil {
		t.Fatal(err)
	}
	o.reach(going, pb.NodeState_NODE_STATE_DRAINED)
	o.settled()
	load.verify()

	o.change("the drain is taken back", &pb.NodeChange{Node: o.id(going), Kind: pb.NodeChange_CANCEL_DRAIN})
	o.settled()
	after := o.node(going)
	if after.GetPlaces() != before.GetPlaces() || after.GetCopies() != before.GetCopies() || after.GetNode().GetState() != pb.NodeState_NODE_STATE_UP {
		t.Errorf("before the drain: %v\nafter it was taken back: %v", before, after)
	}
	load.verify()
}

// patience bounds one operation of the load.
const patience = time.Minute
