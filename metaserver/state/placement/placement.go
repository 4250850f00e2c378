// Package placement computes which nodes each partition of a layout goes to.
//
// It is one pure function of nodes, zones, weights and the table before, in
// integers only, so that every replica that computes a table from the same input
// gets the same one. A table is named by its digest: who plans a change of layout
// and who applies it agree if their digests do.
package placement

import (
	"encoding/binary"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Node is one that places may go to.
type Node struct {
	ID   uint32
	Zone string
	// Weight is its relative capacity, above 0.
	Weight uint64
}

// Table gives partition p the nodes Places[p*Width:(p+1)*Width], best first.
type Table struct {
	Width  int
	Places []uint32
}

// Input is everything that a table follows from.
type Input struct {
	// Nodes are sorted by ID.
	Nodes []Node
	// Redundancy places of each partition are wanted, Spares follow them.
	Redundancy, Spares, Partitions int
	// Previous is the table before, of which PreviousRedundancy places were wanted;
	// it may be empty, and may name nodes that are not there any more.
	Previous           Table
	PreviousRedundancy int
}

// Compute places every partition by rendezvous: each node has a weight for each
// partition, and the partition goes to the heaviest, one zone after the other.
func Compute(in Input) Table {
	candidates, zones := candidatesOf(in.Nodes)
	t := Table{Width: min(len(candidates), in.Redundancy+in.Spares)}
	if t.Width == 0 {
		return t
	}
	t.Places = make([]uint32, 0, in.Partitions*t.Width)
	used := make([]int, zones)
	for partition := range uint32(in.Partitions) {
		for i := range candidates {
			candidates[i].weight = weigh(partition, candidates[i].node)
			candidates[i].taken = false
		}
		clear(used)
		for range t.Width {
			best := pick(candidates, used)
			best.taken = true
			used[best.zone]++
			t.Places = append(t.Places, best.node)
		}
	}
	return t
}

// candidate is a node while one partition is placed.
type candidate struct {
	node   uint32
	zone   int
	weight uint64
	taken  bool
}

// candidatesOf numbers the zones in the order in which nodes name them.
func candidatesOf(nodes []Node) (candidates []candidate, zones int) {
	numbers := make(map[string]int)
	for _, n := range nodes {
		zone, known := numbers[n.Zone]
		if !known {
			zone = len(numbers)
			numbers[n.Zone] = zone
		}
		candidates = append(candidates, candidate{node: n.ID, zone: zone})
	}
	return candidates, len(numbers)
}

// pick chooses among those not taken: of the zone used least, then the heaviest,
// then the lowest number.
func pick(candidates []candidate, used []int) *candidate {
	var best *candidate
	for i := range candidates {
		c := &candidates[i]
		if c.taken {
			continue
		}
		if best == nil || used[c.zone] < used[best.zone] || used[c.zone] == used[best.zone] && c.weight > best.weight {
			best = c
		}
	}
	return best
}

// weigh is a node's weight for a partition: the finalizer of SplitMix64
// (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
func weigh(partition, node uint32) uint64 {
	x := uint64(node)<<32 | uint64(partition)
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Digest is BLAKE3-256 of the width and the places, as uint32, big endian.
func Digest(t Table) [32]byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+4*len(t.Places)), uint32(t.Width))
	for _, node := range t.Places {
		b = binary.BigEndian.AppendUint32(b, node)
	}
	return protocol.HashOf(b)
}

// Moved counts the wanted places of after whose node was not wanted there before.
func Moved(before, after Table, redundancy int) (moved int) {
	if after.Width == 0 {
		return 0
	}
	for p := range len(after.Places) / after.Width {
		old := wanted(before, p, redundancy)
		for _, node := range wanted(after, p, redundancy) {
			if !contains(old, node) {
				moved++
			}
		}
	}
	return moved
}

// Least is a lower bound of Moved for a table that is in perfect balance. This
// algorithm does not look at the table before, so it knows none but 0.
func Least(Input) int { return 0 }

func wanted(t Table, partition, redundancy int) []uint32 {
	at := partition * t.Width
	if at+t.Width > len(t.Places) {
		return nil
	}
	return t.Places[at : at+min(t.Width, redundancy)]
}

func contains(list []uint32, node uint32) bool {
	for _, n := range list {
		if n == node {
			return true
		}
	}
	return false
}
