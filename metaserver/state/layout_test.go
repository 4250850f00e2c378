package state

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func nodesIn(zones ...string) []*record.Node {
	nodes := make([]*record.Node, len(zones))
	for i, zone := range zones {
		nodes[i] = &record.Node{Zone: zone, State: pb.NodeState_NODE_STATE_UP}
	}
	return nodes
}

// TestPlaceMovesLittle: a node that joins takes its own share of places and
// nothing else moves; when it leaves, everything is as before.
func TestPlaceMovesLittle(t *testing.T) {
	const redundancy = 3
	before := place(nodesIn(make([]string, 9)...), 1, redundancy)
	after := place(nodesIn(make([]string, 10)...), 2, redundancy)
	moved := 0
	for p := range protocol.Partitions {
		old, present := wantedAt(before, p, redundancy), wantedAt(after, p, redundancy)
		for _, node := range old {
			if !slices.Contains(present, node) {
				moved++
			}
		}
		for _, node := range present {
			if node != 10 && !slices.Contains(old, node) {
				t.Fatalf("partition %d moved to node %d, which did not join", p, node)
			}
		}
	}
	if share := protocol.Partitions * redundancy / 10; moved < share*8/10 || moved > share*12/10 {
		t.Errorf("%d places moved; a tenth of all is %d", moved, share)
	}
	nodes := nodesIn(make([]string, 10)...)
	nodes[9].State = pb.NodeState_NODE_STATE_REMOVED
	if again := place(nodes, 3, redundancy); !slices.Equal(again.Table, before.Table) {
		t.Error("removing the node did not bring the layout back")
	}
}

func wantedAt(l *record.Layout, partition, redundancy int) []uint32 {
	return placesOf(l, partition*int(l.Width), redundancy)
}

// TestPlaceZones: as many zones as there are, up to R, and width places of
// distinct nodes.
func TestPlaceZones(t *testing.T) {
	for _, zones := range [][]string{
		{"a", "a", "a", "b"}, {"a", "b", "c"}, {"a", "a", "b", "b", "c"}, {"a"}, {"a", "b", "c", "d", "e", "f"}, {"", "", "x"},
	} {
		t.Run(fmt.Sprint(zones), func(t *testing.T) {
			l := place(nodesIn(zones...), 1, 3)
			if int(l.Width) != min(len(zones), 5) {
				t.Fatal(l.Width)
			}
			distinct := len(slices.Compact(slices.Sorted(slices.Values(zones))))
			for p := range protocol.Partitions {
				var seen []string
				for _, node := range wantedAt(l, p, min(3, len(zones))) {
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

// TestPartition: the first 12 bits of a hash.
func TestPartition(t *testing.T) {
	for hash, want := range map[string]int{"\x00\x0f": 0, "\x00\x10": 1, "\x01\x00": 16, "\xff\xff": 4095} {
		if got := partitionOf([]byte(hash)); got != want {
			t.Errorf("%x is in %d, not %d", hash, got, want)
		}
	}
}
