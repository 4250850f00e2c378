package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
)

const partitions = 4096

func input(zones ...string) placement.Input {
	in := placement.Input{Redundancy: 3, Spares: 2, Partitions: partitions, PreviousRedundancy: 3}
	for i, zone := range zones {
		in.Nodes = append(in.Nodes, placement.Node{ID: uint32(i + 1), Zone: zone, Weight: 1})
	}
	return in
}

func wanted(t placement.Table, partition, redundancy int) []uint32 {
	return t.Places[partition*t.Width : partition*t.Width+redundancy]
}

// TestMovesLittle: a node that joins takes its own share of places and nothing
// else moves.
func TestMovesLittle(t *testing.T) {
	in := input(make([]string, 10)...)
	in.Previous = placement.Compute(input(make([]string, 9)...))
	after := placement.Compute(in)
	for p := range partitions {
		for _, node := range wanted(after, p, 3) {
			if node != 10 && !slices.Contains(wanted(in.Previous, p, 3), node) {
				t.Fatalf("partition %d moved to node %d, which did not join", p, node)
			}
		}
	}
	if moved, share := placement.Moved(in.Previous, after, 3), partitions*3/10; moved < share*8/10 || moved > share*12/10 {
		t.Errorf("%d places moved; a tenth of all is %d", moved, share)
	}
}

// TestZones: as many zones as there are, up to R, and width places of distinct
// nodes.
func TestZones(t *testing.T) {
	for _, zones := range [][]string{
		{"a", "a", "a", "b"}, {"a", "b", "c"}, {"a", "a", "b", "b", "c"}, {"a"}, {"a", "b", "c", "d", "e", "f"}, {"", "", "x"},
	} {
		t.Run(fmt.Sprint(zones), func(t *testing.T) {
			l := placement.Compute(input(zones...))
			if l.Width != min(len(zones), 5) || len(l.Places) != l.Width*partitions {
				t.Fatal(l.Width, len(l.Places))
			}
			distinct := len(slices.Compact(slices.Sorted(slices.Values(zones))))
			for p := range partitions {
				var seen []string
				for _, node := range wanted(l, p, min(3, len(zones))) {
					seen = append(seen, zones[node-1])
				}
				slices.Sort(seen)
				if got := len(slices.Compact(seen)); got != min(distinct, 3, len(zones)) {
					t.Fatalf("partition %d is in %d zones", p, got)
				}
			}
		})
	}
}
