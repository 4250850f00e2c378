package state

import (
	"encoding/binary"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// spareNodes is how many nodes beyond R a partition names, so that a writer has
// somewhere to go when one is down.
const spareNodes = 2

// relayout places every partition anew, by rendezvous: each node has a weight
// for each partition, and the partition goes to the heaviest, one zone after the
// other. A node that comes or goes moves only its own share. It runs when
// membership, zones or redundancy change.
func (a *applier) relayout() {
	a.cluster.LayoutVersion++
	a.store(keyLayout(), place(a.m.nodes, a.cluster.LayoutVersion, a.cluster.Settings.Redundancy))
}

// placeSize is the bytes of one node in a layout's table.
const placeSize = 4

// placesOf reads count nodes from place from on.
func placesOf(l *record.Layout, from, count int) []uint32 {
	out := make([]uint32, count)
	for i := range out {
		out[i] = binary.BigEndian.Uint32(l.Table[(from+i)*placeSize:])
	}
	return out
}

// candidate is a member as placement sees it.
type candidate struct {
	node   uint32
	zone   int
	weight uint64
	taken  bool
}

func place(nodes []*record.Node, version uint64, redundancy uint32) *record.Layout {
	candidates, zones := candidatesOf(nodes)
	width := min(len(candidates), int(redundancy)+spareNodes)
	layout := &record.Layout{LayoutVersion: version, Width: uint32(width)}
	if width == 0 {
		return layout
	}
	layout.Table = make([]byte, 0, protocol.Partitions*width*placeSize)
	used := make([]int, zones)
	for partition := range uint32(protocol.Partitions) {
		for i := range candidates {
			candidates[i].weight = weigh(partition, candidates[i].node)
			candidates[i].taken = false
		}
		clear(used)
		for range width {
			best := pick(candidates, used)
			best.taken = true
			used[best.zone]++
			layout.Table = binary.BigEndian.AppendUint32(layout.Table, best.node)
		}
	}
	return layout
}

// candidatesOf numbers the zones in the order in which nodes name them.
func candidatesOf(nodes []*record.Node) (candidates []candidate, zones int) {
	numbers := make(map[string]int)
	for i, n := range nodes {
		if !isMember(n) {
			continue
		}
		zone, known := numbers[n.Zone]
		if !known {
			zone = len(numbers)
			numbers[n.Zone] = zone
		}
		candidates = append(candidates, candidate{node: uint32(i + 1), zone: zone})
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

// Layout answers with the partition table and the nodes.
func Layout(r Reader) (*pb.Layout, error) {
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	row := &record.Layout{}
	if _, err := load(r, keyLayout(), row); err != nil {
		return nil, err
	}
	nodes, err := blockNodes(r, cluster)
	if err != nil {
		return nil, err
	}
	return &pb.Layout{
		LayoutVersion: row.LayoutVersion, Width: row.Width, Table: placesOf(row, 0, len(row.Table)/placeSize), Nodes: nodes,
		Redundancy: cluster.Settings.GetRedundancy(), Quorum: cluster.Settings.GetQuorum(),
		Version: toPB(versionOf(cluster)),
	}, nil
}

// partitionOf is the partition of a hash: its first 12 bits.
func partitionOf(hash []byte) int { return int(hash[0])<<4 | int(hash[1])>>4 }

// blockNodes describes the nodes, those removed left out.
func blockNodes(r Reader, cluster *record.Cluster) ([]*pb.BlockNode, error) {
	nodes, err := readNodes(r)
	if err != nil {
		return nil, err
	}
	var out []*pb.BlockNode
	for i, n := range nodes {
		if !isMember(n) {
			continue
		}
		node := &pb.BlockNode{
			Node: uint32(i + 1), Address: n.Address, Zone: n.Zone, State: n.State, Incarnation: n.Incarnation,
			Suspect: n.InventoryDue != nil,
		}
		for _, d := range n.Disks {
			node.CapacityBytes += d.CapacityBytes
			node.UsedBytes += d.UsedBytes
		}
		out = append(out, node)
	}
	return out, nil
}
