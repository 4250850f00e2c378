package placement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestChanges runs clusters of up to 60 nodes through random changes of all kinds
// and checks every table: legal, on its quotas, never below the lower bound, first
// places in proportion, and nothing moves without a change.
func TestChanges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		draw := rand.New(rand.NewPCG(seed, 0)).IntN
		in := placement.Input{Partitions: 1 + draw(512), Redundancy: 1 + draw(protocol.MaxRedundancy), Spares: draw(3)}
		for id := range uint32(draw(60)) {
			in.Nodes = append(in.Nodes, randomNode(draw, id+1))
		}
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			in.PreviousRedundancy = in.Redundancy
			in = change(draw, in)
			out := placement.Compute(in)
			checkTable(rt, in, out)
			in.Previous, in.PreviousRedundancy = out, in.Redundancy
			again := placement.Compute(in)
			if moved := placement.Moved(out, again, in.Redundancy); moved != 0 {
				rt.Fatalf("%d places move without a change", moved)
			}
			if placement.Digest(again) != placement.Digest(placement.Compute(in)) {
				rt.Fatal("two tables from one input")
			}
		}
	})
}

func randomNode(draw func(int) int, id uint32) placement.Node {
	return placement.Node{ID: id, Zone: fmt.Sprint("zone ", draw(7)), Weight: uint64(1+draw(8)) << draw(40)}
}

// change adds, removes, re-weights or re-zones nodes, or changes the redundancy.
func change(draw func(int) int, in placement.Input) placement.Input {
	in.Nodes = slices.Clone(in.Nodes)
	for range 1 + draw(3) {
		at := 0
		if len(in.Nodes) > 0 {
			at = draw(len(in.Nodes))
		}
		switch kind := draw(6); {
		case kind == 0 || len(in.Nodes) == 0:
			next := uint32(1)
			if len(in.Nodes) > 0 {
				next = in.Nodes[len(in.Nodes)-1].ID + 1
			}
			in.Nodes = append(in.Nodes, randomNode(draw, next))
		case kind == 1:
			in.Nodes = slices.Delete(in.Nodes, at, at+1)
		case kind == 2:
			in.Nodes[at].Weight = 1 + in.Nodes[at].Weight*uint64(draw(4))
		case kind == 3:
			in.Nodes[at].Zone = fmt.Sprint("zone ", draw(7))
		case kind == 4:
			in.Redundancy = 1 + draw(protocol.MaxRedundancy)
		}
	}
	return in
}

func checkTable(rt *rapid.T, in placement.Input, out placement.Table) {
	rt.Helper()
	if err := legal(in, out); err != nil {
		rt.Fatalf("%v\n%+v", err, in.Nodes)
	}
	if moved, least := placement.MovedFrom(in, out), placement.Least(in); moved < least {
		rt.Fatalf("moved %d places, less than the lower bound %d", moved, least)
	}
	if out.Width == 0 {
		return
	}
	firsts := make([]int, len(in.Nodes))
	for p := range in.Partitions {
		firsts[slices.IndexFunc(in.Nodes, func(n placement.Node) bool { return n.ID == out.Places[p*out.Width] })]++
	}
	wanted := min(in.Redundancy, len(in.Nodes))
	for v, quota := range placement.Quotas(in) {
		if firsts[v] < quota/wanted || firsts[v] > (quota+wanted-1)/wanted {
			rt.Fatalf("node %d is first %d times among %d places", in.Nodes[v].ID, firsts[v], quota)
		}
	}
}

// TestQuotas compares the quotas with shares that are found in another way, by
// bisection in floating point: none is further off than one place.
func TestQuotas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)).IntN
		in := placement.Input{Partitions: protocol.Partitions, Redundancy: 1 + draw(protocol.MaxRedundancy)}
		for id := range uint32(1 + draw(100)) {
			in.Nodes = append(in.Nodes, placement.Node{ID: id + 1, Zone: fmt.Sprint(draw(7)), Weight: uint64(1000 + draw(9000))})
		}
		shares := sharesOf(in)
		for v, quota := range placement.Quotas(in) {
			if off := float64(quota) - shares[v]; off < -1 || off > 1 {
				rt.Fatalf("node %d has %d places, its share is %.2f", in.Nodes[v].ID, quota, shares[v])
			}
		}
	})
}

// TestComingAndGoing: a node that comes moves its own quota and nothing else, and
// so does one that goes, when no zone stands in the way.
func TestComingAndGoing(t *testing.T) {
	nodes := unequal(100, 5)
	in := placement.Input{Nodes: nodes, Redundancy: 3, Spares: 2, Partitions: protocol.Partitions}
	in.Previous = placement.Compute(in)
	for _, v := range []int{0, 42, 99} {
		less := in
		less.Nodes = slices.Delete(slices.Clone(nodes), v, v+1)
		gone := placement.Compute(less)
		if moved, quota := placement.MovedFrom(less, gone), placement.Quotas(in)[v]; moved != quota {
			t.Errorf("node %d goes: %d places move, it had %d", nodes[v].ID, moved, quota)
		}
		back := in
		back.Previous = gone
		if moved, quota := placement.MovedFrom(back, placement.Compute(back)), placement.Quotas(in)[v]; moved != quota {
			t.Errorf("node %d comes: %d places move, it gets %d", nodes[v].ID, moved, quota)
		}
	}
}

// TestSpares: a spare stands in a zone that the partition uses least.
func TestSpares(t *testing.T) {
	for _, zones := range []int{1, 2, 3, 5, 10} {
		in := placement.Input{Nodes: unequal(50, zones), Redundancy: 3, Spares: 2, Partitions: protocol.Partitions}
		out := placement.Compute(in)
		zoneOf := map[uint32]string{}
		for _, n := range in.Nodes {
			zoneOf[n.ID] = n.Zone
		}
		for p := range in.Partitions {
			counts := make(map[string]int)
			for i, id := range out.Places[p*out.Width : (p+1)*out.Width] {
				// Each zone has five nodes, so none is ever short of one.
				fewest := 0
				if len(counts) == zones {
					fewest = counts[zoneOf[id]]
					for _, n := range counts {
						fewest = min(fewest, n)
					}
				}
				if zone := zoneOf[id]; i >= 3 && counts[zone] > fewest {
					t.Fatalf("%d zones, partition %d: spare %d from %s, which has %d", zones, p, id, zone, counts[zone])
				}
				counts[zoneOf[id]]++
			}
		}
	}
}

// unequal are n nodes of 4 to 16 units, dealt out to zones in turn.
func unequal(n, zones int) []placement.Node {
	draw := rand.New(rand.NewPCG(uint64(n), uint64(zones)))
	var out []placement.Node
	for id := range uint32(n) {
		zone := fmt.Sprint("zone ", int(id)%zones)
		out = append(out, placement.Node{ID: id + 1, Zone: zone, Weight: uint64(4+draw.IntN(13)) << 40})
	}
	return out
}
