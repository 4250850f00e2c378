package placement_test

import (
	"fmt"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// BenchmarkCompute makes the first table of a cluster, and the next one after a
// node was added.
func BenchmarkCompute(b *testing.B) {
	for _, c := range []struct{ nodes, zones, redundancy int }{
		{3, 1, 3},
		{3, 3, 3},
		{30, 3, 3},
		{30, 3, 5},
		{300, 1, 3},
		{300, 3, 3},
		{300, 3, 5},
		{300, 10, 3},
		{300, 10, 5},
		{300, 300, 3},
		{300, 300, 5},
		{protocol.MaxNodes, 10, 3},
		{protocol.MaxNodes, protocol.MaxNodes, 5},
	} {
		in := placement.Input{Nodes: unequal(c.nodes, c.zones), Redundancy: c.redundancy, Spares: 2, Partitions: protocol.Partitions}
		more := in
		more.Previous = placement.Compute(in)
		more.Nodes = append(more.Nodes, placement.Node{ID: protocol.MaxNodes + 1, Zone: "zone 0", Weight: 10 << 40})
		for name, in := range map[string]placement.Input{"first": in, "add": more} {
			b.Run(fmt.Sprintf("nodes=%d/zones=%d/R=%d/%s", c.nodes, c.zones, c.redundancy, name), func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					placement.Compute(in)
				}
			})
		}
	}
}
