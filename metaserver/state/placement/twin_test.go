package placement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
)

// TestTwin compares what Compute moves with the cheapest flow through the whole
// network, over chains of changes of small clusters: it must be the least.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)).IntN
		in := placement.Input{Partitions: 1 + draw(40), Spares: draw(3)}
		for range rapid.IntRange(1, 20).Draw(rt, "changes") {
			in.Nodes = someNodes(draw, 1+draw(12))
			in.Redundancy = 1 + draw(5)
			quotas := placement.Quotas(in)
			places, least := leastByFlow(in, quotas)
			out := placement.Compute(in)
			if err := legal(in, out); err != nil {
				rt.Fatalf("%v\n%+v\n%v", err, in, out)
			}
			wanted := min(in.Redundancy, len(in.Nodes))
			if places != wanted*in.Partitions {
				rt.Fatalf("quotas %v can be met in %d places only: %+v", quotas, places, in)
			}
			if moved := placement.MovedFrom(in, out); moved != least || moved < placement.Least(in) {
				rt.Fatalf("moved %d, least %d, lower bound %d: %+v", moved, least, placement.Least(in), in)
			}
			in.Previous, in.PreviousRedundancy = out, in.Redundancy
		}
	})
}

// someNodes are at most so many nodes of up to 5 zones with unequal weights.
func someNodes(draw func(int) int, most int) []placement.Node {
	var out []placement.Node
	for id := range uint32(most) {
		if draw(4) > 0 {
			out = append(out, placement.Node{ID: id + 1, Zone: fmt.Sprint("zone ", draw(5)), Weight: uint64(1 + draw(9))})
		}
	}
	return out
}

// legal checks what must hold for every table: members only, all distinct, and
// the wanted places spread over the zones.
func legal(in placement.Input, t placement.Table) error {
	wanted := min(in.Redundancy, len(in.Nodes))
	if width := min(len(in.Nodes), in.Redundancy+in.Spares); wanted > 0 && (t.Width != width || len(t.Places) != width*in.Partitions) {
		return fmt.Errorf("width %d and %d places", t.Width, len(t.Places))
	}
	loads := make([]int, len(in.Nodes))
	zones, extra := plainRule(in)
	for p := range in.Partitions {
		if t.Width == 0 {
			break
		}
		row := t.Places[p*t.Width : (p+1)*t.Width]
		counts := map[string]int{}
		for i, id := range row {
			v := slices.IndexFunc(in.Nodes, func(n placement.Node) bool { return n.ID == id })
			if v < 0 || slices.Contains(row[:i], id) {
				return fmt.Errorf("partition %d: %v", p, row)
			}
			if i < wanted {
				loads[v]++
				counts[in.Nodes[v].Zone]++
			}
		}
		beyond := 0
		for _, z := range zones {
			n := counts[z.name]
			if n < z.base || n > z.base+1 {
				return fmt.Errorf("partition %d: %d in %s, not %d or one more", p, n, z.name, z.base)
			}
			beyond += n - z.base
		}
		if beyond != extra {
			return fmt.Errorf("partition %d: %v", p, counts)
		}
	}
	if quotas := placement.Quotas(in); !slices.Equal(loads, quotas) {
		return fmt.Errorf("loads %v, quotas %v", loads, quotas)
	}
	return nil
}
