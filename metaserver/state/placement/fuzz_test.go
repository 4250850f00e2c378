package placement_test

import (
	"fmt"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
)

// FuzzCompute: whatever table stood before, and however uneven the nodes are, the
// next one is legal and on its quotas, and to compute it again moves nothing.
func FuzzCompute(f *testing.F) {
	f.Add([]byte{}, uint8(3), uint8(3), uint8(2), []byte{})
	f.Add([]byte{1, 2, 3, 4, 5, 6}, uint8(3), uint8(3), uint8(2), []byte{1, 2, 3, 4, 5, 6, 1, 2, 3, 4})
	f.Add([]byte{0xff, 0x10, 0x11, 0x12}, uint8(2), uint8(5), uint8(0), []byte{1, 1, 1, 9, 9, 9})
	f.Fuzz(func(t *testing.T, nodes []byte, width, redundancy, spares uint8, places []byte) {
		in := placement.Input{
			Redundancy: int(redundancy % 8), Spares: int(spares % 4), Partitions: 1,
			Previous: placement.Table{Width: int(width % 8)},
		}
		// A byte is a node: three bits of zone, five of the exponent of its weight.
		for i, n := range nodes[:min(len(nodes), 40)] {
			in.Nodes = append(in.Nodes, placement.Node{ID: uint32(i + 1), Zone: fmt.Sprint(n >> 5), Weight: 1<<(n&31) + uint64(n)})
		}
		for _, id := range places[:min(len(places), 800)] {
			in.Previous.Places = append(in.Previous.Places, uint32(id%48))
		}
		if in.Previous.Width > 0 {
			in.Partitions = max(1, len(in.Previous.Places)/in.Previous.Width)
		}
		out := placement.Compute(in)
		if err := legal(in, out); err != nil {
			t.Fatalf("%v\n%+v", err, in)
		}
		if moved, least := placement.MovedFrom(in, out), placement.Least(in); moved < least {
			t.Fatalf("moved %d, less than %d", moved, least)
		}
		in.Previous = out
		if moved := placement.Moved(out, placement.Compute(in), in.Redundancy); moved != 0 {
			t.Fatalf("%d places move without a change: %+v", moved, in)
		}
	})
}
