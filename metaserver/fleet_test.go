package metaserver_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestFleetVerbs: nodes, layout and jobs over the wire, on nodes that only say that
// they hold blocks.
func TestFleetVerbs(t *testing.T) {
	g := startGroup(t, 1, nil)
	nodes := []*node{g.register(), g.register(), g.register(), g.register()}
	s := g.session()
	b, claims := g.blocks(20, nodes[0], nodes[1], nodes[2])
	g.must(protocol.PathCommit, s.commitBlocks("some", b, claims), &pb.CommitAnswer{})

	late := g.register()
	var list pb.NodeListAnswer
	g.must(protocol.PathNodeList, &pb.NodeListRequest{}, &list)
	if n := list.Nodes[4]; len(list.Nodes) != 5 || n.Node.State != pb.NodeState_NODE_STATE_JOINING || n.Places != 0 || n.WaitsFor == "" {
		t.Fatalf("a node that joins a cluster with blocks is %v", n)
	}
	if n := list.Nodes[0]; n.Copies != 20 || n.CopiesStoredBytes != 20*600 || n.Places == 0 {
		t.Errorf("node 1 is %v", n)
	}
	testPlanAndApply(t, g, late)
	testStopping(t, g)

	b, claims = g.blocks(5, nodes[0], nodes[1])
	g.must(protocol.PathCommit, s.commitBlocks("few", b, claims), &pb.CommitAnswer{})
	testRemoveIsAsked(t, g)
	var stop pb.NodeStopAnswer
	g.must(protocol.PathNodeStop, &pb.NodeStopRequest{Node: 2, Limit: 3}, &stop)
	if stop.MayStop || stop.CriticalBlocks != 5 || len(stop.Critical) != 3*protocol.HashSize || !bytes.Contains(b.Hashes, stop.Critical[:protocol.HashSize]) {
		t.Errorf("with blocks of two copies, node 2 may stop: %v", &stop)
	}

	g.must(protocol.PathNodeRemove, &pb.NodeRemoveRequest{Node: 4}, &pb.NodeRemoveAnswer{})
	g.must(protocol.PathNodeRemove, &pb.NodeRemoveRequest{Node: 4}, &pb.NodeRemoveAnswer{})
	g.refused(protocol.NotFound, protocol.PathNodeRemove, &pb.NodeRemoveRequest{Node: 9}, &pb.NodeSetAnswer{})
	var history pb.LayoutHistoryAnswer
	g.must(protocol.PathLayoutHistory, &pb.LayoutHistoryRequest{}, &history)
	if l := history.Layouts; len(l) < 2 || l[0].State != "current" || l[0].LayoutVersion != l[1].LayoutVersion+1 {
		t.Errorf("the history is %v", l)
	}
	var jobs pb.JobListAnswer
	g.must(protocol.PathJobList, &pb.JobListRequest{Ended: true}, &jobs)
	if !slices.ContainsFunc(jobs.Jobs, func(j *pb.JobInfo) bool { return j.Kind == "layout" && j.Id == "sweep-1" }) {
		t.Errorf("the jobs are %v", jobs.Jobs)
	}
	g.refused(protocol.NotFound, protocol.PathJobCancel, &pb.JobCancelRequest{Id: "sweep-77"}, &pb.NodeSetAnswer{})
	g.refused(protocol.InvalidArgument, protocol.PathJobCancel, &pb.JobCancelRequest{Id: "something"}, &pb.NodeSetAnswer{})
	g.refused(protocol.PreconditionFailed, protocol.PathJobCancel, &pb.JobCancelRequest{Id: "drain-1"}, &pb.NodeSetAnswer{})
	g.refused(protocol.NotFound, protocol.PathJobCancel, &pb.JobCancelRequest{Id: "delete-1.7777777"}, &pb.JobCancelAnswer{})
}

// testRemoveIsAsked: who asks over the wire is told what the removal of a node that
// answers would take away, and has to accept it. The log alone would let node 3 go:
// its blocks have two other copies.
func testRemoveIsAsked(t *testing.T, g *group) {
	for node, want := range map[uint32]string{3: "holds 20 copies", 2: "5 referenced blocks would keep fewer"} {
		err := g.try(protocol.PathNodeRemove, &pb.NodeRemoveRequest{Node: node}, &pb.NodeRemoveAnswer{})
		if text := fmt.Sprint(err); protocol.KindOf(err) != protocol.PreconditionFailed || !strings.Contains(text, want) || !strings.Contains(text, "node drain") {
			t.Errorf("the removal of node %d, which answers, is %v", node, err)
		}
	}
}

// testPlanAndApply: apply does what a plan showed, once, or nothing.
func testPlanAndApply(t *testing.T, g *group, late *node) {
	change := []*pb.NodeChange{{Node: late.number, Kind: pb.NodeChange_ADD}}
	var plan pb.LayoutPlanAnswer
	g.must(protocol.PathLayoutPlan, &pb.LayoutPlanRequest{Changes: change}, &plan)
	if plan.LayoutVersion == 0 || len(plan.TableDigest) != 32 || plan.MovedPlaces == 0 || len(plan.Shares) != 5 || len(plan.Risks) == 0 {
		t.Fatalf("the plan is %v", &plan)
	}
	apply := &pb.LayoutApplyRequest{IfLayoutVersion: plan.LayoutVersion, Changes: plan.Changes, Algorithm: plan.Algorithm, TableDigest: plan.TableDigest, Reason: "grow"}
	other := &pb.LayoutApplyRequest{IfLayoutVersion: plan.LayoutVersion, Changes: plan.Changes, Algorithm: plan.Algorithm, TableDigest: make([]byte, 32)}
	g.refused(protocol.Changed, protocol.PathLayoutApply, other, &pb.NodeSetAnswer{})
	var first, again pb.LayoutApplyAnswer
	g.must(protocol.PathLayoutApply, apply, &first)
	g.must(protocol.PathLayoutApply, apply, &again)
	if first.LayoutVersion != plan.LayoutVersion+1 || again.LayoutVersion != first.LayoutVersion || first.Sweep == 0 {
		t.Errorf("applied %v, then %v", &first, &again)
	}
	apply.Reason = "somebody else's"
	g.refused(protocol.Changed, protocol.PathLayoutApply, apply, &pb.NodeSetAnswer{})
	g.refused(protocol.PreconditionFailed, protocol.PathLayoutPlan, &pb.LayoutPlanRequest{Changes: change}, &pb.NodeSetAnswer{})
}

// testStopping: of two operators who ask for maintenance, one gets a yes.
func testStopping(t *testing.T, g *group) {
	var stop pb.NodeStopAnswer
	g.must(protocol.PathNodeStop, &pb.NodeStopRequest{Node: 1}, &stop)
	if !stop.MayStop || stop.Why != "" {
		t.Errorf("node 1 may stop: %v", &stop)
	}
	set := func(node uint32, state pb.NodeState) *pb.NodeSetRequest {
		return &pb.NodeSetRequest{Node: node, State: state}
	}
	g.must(protocol.PathNodeSet, set(1, pb.NodeState_NODE_STATE_MAINTENANCE), &pb.NodeSetAnswer{})
	g.must(protocol.PathNodeSet, set(1, pb.NodeState_NODE_STATE_MAINTENANCE), &pb.NodeSetAnswer{})
	g.refused(protocol.PreconditionFailed, protocol.PathNodeSet, set(2, pb.NodeState_NODE_STATE_MAINTENANCE), &pb.NodeSetAnswer{})
	stop.Reset()
	g.must(protocol.PathNodeStop, &pb.NodeStopRequest{Node: 2}, &stop)
	if stop.MayStop || stop.Why == "" {
		t.Errorf("node 2 may stop beside node 1: %v", &stop)
	}
	g.must(protocol.PathNodeSet, set(1, pb.NodeState_NODE_STATE_UP), &pb.NodeSetAnswer{})
	g.refused(protocol.InvalidArgument, protocol.PathNodeSet, set(1, pb.NodeState_NODE_STATE_DRAINING), &pb.NodeSetAnswer{})
	g.refused(protocol.NotFound, protocol.PathNodeSet, set(99, pb.NodeState_NODE_STATE_UP), &pb.NodeSetAnswer{})
}

// TestDeleteIsAJob: the delete of a prefix is listed, with what it has come to, and
// canceled as other jobs are.
func TestDeleteIsAJob(t *testing.T) {
	g := startGroup(t, 1, nil)
	g.fill("gone/", 1000)
	s := g.session()
	var began pb.DeletePrefixAnswer
	g.must(protocol.PathPrefixDelete, &pb.DeletePrefixRequest{Call: s.call(), Bucket: "bucket", Prefix: "gone/"}, &began)
	id := fmt.Sprintf("delete-%d.%d", began.Job.GetGeneration(), began.Job.GetCounter())
	job := func() *pb.JobInfo {
		var ans pb.JobListAnswer
		g.must(protocol.PathJobList, &pb.JobListRequest{Ended: true}, &ans)
		for _, j := range ans.Jobs {
			if j.Id == id {
				return j
			}
		}
		t.Fatalf("%s is not among %v", id, ans.Jobs)
		return nil
	}
	if j := job(); j.Kind != "delete" || !strings.Contains(j.About, `"bucket/gone/"`) || j.StartedUnixMs == 0 {
		t.Errorf("%v", j)
	}
	err := g.try(protocol.PathJobCancel, &pb.JobCancelRequest{Id: id}, &pb.JobCancelAnswer{})
	switch j := job(); {
	case err == nil && j.State != "canceled":
		t.Errorf("canceled, and then %v", j)
	case err != nil && (protocol.KindOf(err) != protocol.PreconditionFailed || j.State != "done"):
		t.Errorf("%v, and then %v", err, j)
	}
}
