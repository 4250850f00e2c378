package dispatch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestPlanPings(t *testing.T) {
	nodes := []*pb.BlockNode{
		{Node: 1, Address: "a:1", State: pb.NodeState_NODE_STATE_UP},
		{Node: 2, Address: "b:1", State: pb.NodeState_NODE_STATE_REMOVED},
		{Node: 3, Address: "", State: pb.NodeState_NODE_STATE_UP},
		{Node: 4, Address: "d:1", State: pb.NodeState_NODE_STATE_DOWN, Incarnation: 6},
		{Node: 5, Address: "e:1", State: pb.NodeState_NODE_STATE_UP},
	}
	plan := planPings(nodes, func(n protocol.NodeID) bool { return n == 5 })
	want := []ping{{node: 1, address: "a:1"}, {4, 6, "d:1"}}
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
	early, late := time.UnixMilli(1000), time.UnixMilli(2000)
	s.begin(1, early)
	if !s.isOpen(1) || s.at(1) != (Sighting{Reachable: true, Since: early}) {
		t.Fatalf("a question was opened: %+v", s.at(1))
	}
	if changed, reachable := s.end(1, nil, down, late); changed || !reachable || s.isOpen(1) {
		t.Error("one failure is no news")
	}
	if changed, reachable := s.end(1, nil, down, late); !changed || reachable || s.at(1).Since != late {
		t.Error("the second failure in a row makes it unreachable")
	}
	if changed, _ := s.end(1, nil, down, early); changed || s.unreachable() != 1 || s.at(1).Since != late {
		t.Error("a third failure changes nothing")
	}
	if changed, reachable := s.end(1, nil, nil, early); !changed || !reachable || s.unreachable() != 0 {
		t.Error("one answer makes it reachable")
	}
}

func TestSightingTells(t *testing.T) {
	works := func(used, free uint64, full bool) *pb.DiskStatus {
		return &pb.DiskStatus{UsedBytes: used, FreeBytes: free, Full: full}
	}
	broken := &pb.DiskStatus{UsedBytes: 5, FreeBytes: 50, Failure: "it burnt"}
	for _, tc := range []struct {
		name  string
		disks []*pb.DiskStatus
		want  Sighting
	}{
		{"one disk", []*pb.DiskStatus{works(10, 90, false)}, Sighting{Known: true, Used: 10, Free: 90}},
		{"one of two is full", []*pb.DiskStatus{works(100, 1, true), works(10, 90, false)}, Sighting{Known: true, Used: 110, Free: 91}},
		{"the one that works is full", []*pb.DiskStatus{works(100, 1, true), broken}, Sighting{Known: true, Used: 105, Free: 1, Full: true}},
		{"none works", []*pb.DiskStatus{broken}, Sighting{Known: true, Used: 5, Full: true}},
	} {
		got := Sighting{Used: 1, Free: 1}
		if got.tell(&pb.BlockserverStatus{Disks: tc.disks}); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// TestAnotherNodeAtTheAddress: an address that was given to another node says
// nothing about this one.
func TestAnotherNodeAtTheAddress(t *testing.T) {
	d := New(Config{Registry: prometheus.NewRegistry(), Ping: func(context.Context, string) (*pb.BlockserverStatus, error) {
		return &pb.BlockserverStatus{Registered: true, Node: 2}, nil
	}})
	l := &leading{Dispatcher: d}
	d.leading.Store(l)
	for range pingFailures {
		for _, n := range []protocol.NodeID{1, 2} {
			l.sight.begin(n, d.cfg.Now())
			l.ask(t.Context(), ping{node: n, address: "a:1"})
		}
	}
	if d.Observed(1).Reachable || !d.Observed(2).Reachable {
		t.Errorf("node 1 is seen as %+v, node 2 as %+v", d.Observed(1), d.Observed(2))
	}
	d.forget()
	if !d.Observed(1).Reachable {
		t.Error("a server that does not lead knows nothing")
	}
}
