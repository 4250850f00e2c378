package dispatch

import (
	"errors"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestPlanPings(t *testing.T) {
	nodes := []*pb.BlockNode{
		{Node: 1, Address: "a:1", State: pb.NodeState_NODE_STATE_UP},
		{Node: 2, Address: "b:1", State: pb.NodeState_NODE_STATE_REMOVED},
		{Node: 3, Address: "", State: pb.NodeState_NODE_STATE_UP},
		{Node: 4, Address: "d:1", State: pb.NodeState_NODE_STATE_DOWN},
		{Node: 5, Address: "e:1", State: pb.NodeState_NODE_STATE_UP},
	}
	plan := planPings(nodes, func(n protocol.NodeID) bool { return n == 5 })
	want := []ping{{1, "a:1"}, {4, "d:1"}}
	if !slices.Equal(plan, want) {
		t.Errorf("planned %v, want %v", plan, want)
	}

	crowd := make([]*pb.BlockNode, protocol.MaxNodes+1)
	for i := range crowd {
		crowd[i] = &pb.BlockNode{Node: uint32(i + 1), Address: "x:1"}
	}
	if n := len(planPings(crowd, func(protocol.NodeID) bool { return false })); n != protocol.MaxNodes {
		t.Errorf("planned %d pings, want the limit of %d", n, protocol.MaxNodes)
	}
}

func TestSight(t *testing.T) {
	var s sight
	if !s.reachable(1) || s.isOpen(1) {
		t.Fatal("a node that was never asked is reachable and has no question open")
	}
	down := errors.New("no answer")
	s.begin(1)
	if !s.isOpen(1) {
		t.Fatal("a question was opened")
	}
	if changed, reachable := s.end(1, down); changed || !reachable || s.isOpen(1) {
		t.Error("one failure is no news")
	}
	if changed, reachable := s.end(1, down); !changed || reachable {
		t.Error("the second failure in a row makes it unreachable")
	}
	if changed, _ := s.end(1, down); changed || s.unreachable() != 1 {
		t.Error("a third failure changes nothing")
	}
	if changed, reachable := s.end(1, nil); !changed || !reachable || s.unreachable() != 0 {
		t.Error("one answer makes it reachable")
	}
}
