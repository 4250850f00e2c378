package placement_test

import (
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
)

// TestTooBig: where proportion cannot be had, what is too big is filled to its
// bound and the rest shares what is left in proportion. By hand, of 100 partitions.
func TestTooBig(t *testing.T) {
	for _, c := range []struct {
		name       string
		redundancy int
		nodes      []placement.Node
		want       []int
	}{
		{"nothing is", 1, []placement.Node{{1, "a", 1}, {2, "a", 3}, {3, "b", 6}}, []int{10, 30, 60}},
		{"a node", 2, []placement.Node{{1, "a", 90}, {2, "a", 1}, {3, "a", 4}}, []int{100, 20, 80}},
		{"a zone among as many as places", 3, []placement.Node{{1, "a", 90}, {2, "b", 1}, {3, "c", 1}, {4, "c", 3}}, []int{100, 100, 25, 75}},
		{"a zone among more", 2, []placement.Node{{1, "a", 50}, {2, "a", 50}, {3, "b", 3}, {4, "c", 1}}, []int{50, 50, 75, 25}},
		{"a zone that is too small", 3, []placement.Node{{1, "a", 1}, {2, "b", 50}, {3, "b", 25}, {4, "b", 25}}, []int{100, 100, 50, 50}},
		{"fewer nodes than places", 3, []placement.Node{{1, "a", 1}, {2, "b", 50}}, []int{100, 100}},
		{"weights of 64 bits", 1, []placement.Node{{1, "a", 1 << 63}, {2, "a", 1 << 62}, {3, "a", 1 << 62}}, []int{50, 25, 25}},
	} {
		in := placement.Input{Nodes: c.nodes, Redundancy: c.redundancy, Partitions: 100}
		if got := placement.Quotas(in); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
	}
}

// TestScatter: the other places of a node's partitions are on many nodes, so that
// many help when it is lost; and so are the spares that take over.
func TestScatter(t *testing.T) {
	in := placement.Input{Nodes: unequal(30, 3), Redundancy: 3, Spares: 2, Partitions: 4096}
	out := placement.Compute(in)
	for _, n := range in.Nodes {
		others, spares := map[uint32]bool{}, map[uint32]bool{}
		for p := range in.Partitions {
			row := out.Places[p*out.Width : (p+1)*out.Width]
			if !slices.Contains(row[:3], n.ID) {
				continue
			}
			for _, id := range row[:3] {
				others[id] = true
			}
			spares[row[3]] = true
		}
		// Itself and the twenty of the other zones.
		if len(others) != 21 || len(spares) < 25 {
			t.Errorf("node %d shares its partitions with %d nodes and %d first spares", n.ID, len(others)-1, len(spares))
		}
	}
}
