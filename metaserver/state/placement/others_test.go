package placement_test

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// The alternatives that the table compares with. Each ranks the nodes for a
// partition and takes the first of the zone used least, R times over.

// rendezvous ranks by a hash of partition and node; weights do not count.
func rendezvous(in placement.Input) placement.Table {
	return ranked(in, func(p, v int) float64 { return uniform(p, in.Nodes[v].ID) })
}

// weighted is rendezvous with weights: -w/ln(u) makes the share of a node w of all
// weight, for one place and one zone.
func weighted(in placement.Input) placement.Table {
	return ranked(in, func(p, v int) float64 {
		return -float64(in.Nodes[v].Weight) / math.Log(uniform(p, in.Nodes[v].ID))
	})
}

// ring gives a node points on a circle by its weight, 128 on average, and ranks
// the nodes by how soon a point of theirs follows the partition.
func ring(in placement.Input) placement.Table {
	type point struct {
		at   float64
		node int
	}
	var points []point
	total := 0.0
	for _, n := range in.Nodes {
		total += float64(n.Weight)
	}
	for v, n := range in.Nodes {
		for i := range int(math.Round(float64(n.Weight) / total * 128 * float64(len(in.Nodes)))) {
			points = append(points, point{uniform(1<<20+i, n.ID), v})
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	rank := make([]float64, len(in.Nodes))
	last := -1
	return ranked(in, func(p, v int) float64 {
		if p != last {
			last = p
			clear(rank)
			start, _ := slices.BinarySearchFunc(points, uniform(1<<24+p, 0), func(a point, at float64) int {
				if a.at < at {
					return -1
				}
				return 1
			})
			for i := range points {
				if node := points[(start+i)%len(points)].node; rank[node] == 0 {
					rank[node] = float64(len(points) - i)
				}
			}
		}
		return rank[v]
	})
}

func ranked(in placement.Input, rank func(p, v int) float64) placement.Table {
	width := min(len(in.Nodes), in.Redundancy)
	out := placement.Table{Width: width}
	ranks := make([]float64, len(in.Nodes))
	for p := range in.Partitions {
		for v := range ranks {
			ranks[v] = rank(p, v)
		}
		used := map[string]int{}
		for range width {
			best := -1
			for v, n := range in.Nodes {
				if ranks[v] < 0 {
					continue
				}
				if best < 0 || used[n.Zone] < used[in.Nodes[best].Zone] || used[n.Zone] == used[in.Nodes[best].Zone] && ranks[v] > ranks[best] {
					best = v
				}
			}
			ranks[best] = -1
			used[in.Nodes[best].Zone]++
			out.Places = append(out.Places, in.Nodes[best].ID)
		}
	}
	return out
}

// uniform is a number between 0 and 1, by a hash.
func uniform(p int, id uint32) float64 {
	hash := protocol.HashOf(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(p)), id))
	return (float64(binary.BigEndian.Uint64(hash[:])>>11) + 0.5) / (1 << 53)
}
