package state_test

import (
	"fmt"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// grown is a cluster of many nodes in ten zones, three of which came first and
// hold some blocks.
func grown(tb testing.TB, nodes int) *machine {
	tb.Helper()
	m := newMachine(tb)
	m.unchecked = true
	m.bootstrap(3)
	m.must(commitCommand(withBlocks(manyBlocks("", 100), claimsOf(100, m.Version(), 1, 2, 3))))
	var adds []*pb.NodeChange
	for n := uint32(4); n <= uint32(nodes); n++ {
		c := register(n, 1)
		c.GetRegister().Zone = fmt.Sprint("zone ", n%10)
		m.must(c)
		adds = append(adds, &pb.NodeChange{Node: n, Kind: pb.NodeChange_ADD})
	}
	for len(adds) > 0 {
		n := min(len(adds), state.MaxLayoutChanges)
		m.change(adds[:n]...)
		adds = adds[n:]
	}
	return m
}

// TestPlanLayoutOfManyNodes: with hundreds of nodes, a drain moves just what was
// on the node, every place has a node, and the plan is that of any replica.
func TestPlanLayoutOfManyNodes(t *testing.T) {
	m := grown(t, 300)
	drain := []*pb.NodeChange{{Node: 7, Kind: pb.NodeChange_DRAIN}}
	plan, err := state.PlanLayout(m.table, drain)
	if err != nil {
		t.Fatal(err)
	}
	var before, after, held uint32
	for _, s := range plan.Shares {
		before, after = before+s.PlacesBefore, after+s.PlacesAfter
		if s.Node == 7 {
			held = s.PlacesBefore
			if s.PlacesAfter != 0 {
				t.Errorf("the node that is drained keeps %d places", s.PlacesAfter)
			}
		}
	}
	if want := uint32(3 * protocol.Partitions); before != want || after != want {
		t.Errorf("%d places before, %d after; want %d", before, after, want)
	}
	if held == 0 || plan.MovedPlaces < held || plan.MovedPlaces > held+held/2 {
		t.Errorf("%d places move for the %d of one node; at least %d must", plan.MovedPlaces, held, plan.LeastPlaces)
	}
	m.change(drain...)
	m.check()
}

// BenchmarkPlanLayout plans the drain of one of many nodes.
func BenchmarkPlanLayout(b *testing.B) {
	for _, nodes := range []int{30, 300, protocol.MaxNodes} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			m := grown(b, nodes)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := state.PlanLayout(m.table, []*pb.NodeChange{{Node: 7, Kind: pb.NodeChange_DRAIN}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
