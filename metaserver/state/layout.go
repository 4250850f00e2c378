package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// spareNodes is how many nodes beyond R a partition names, so that a writer has
// somewhere to go when one is down.
const spareNodes = 2

// LayoutAlgorithm numbers how a table follows from the nodes: placement.Compute.
const LayoutAlgorithm = 1

// placeSize is the bytes of one node in a layout's table.
const placeSize = 4

// site is a node as placement sees it, and as a change of layout leaves it.
type site struct {
	state  pb.NodeState
	zone   string
	weight uint64
	// capacity is in bytes.
	capacity uint64
}

func sitesOf(nodes []*record.Node) []site {
	sites := make([]site, len(nodes))
	for i, n := range nodes {
		sites[i] = site{state: n.State, zone: n.Zone, weight: n.Weight}
		for _, d := range n.Disks {
			sites[i].capacity += d.CapacityBytes
		}
	}
	return sites
}

// placeable: the layout may name the node. One that is down, or away, keeps its
// places: it may return.
func (s *site) placeable() bool {
	switch s.state {
	case pb.NodeState_NODE_STATE_UP, pb.NodeState_NODE_STATE_DOWN, pb.NodeState_NODE_STATE_MAINTENANCE:
		return true
	}
	return false
}

// share is the node's weight among others: its weight as set counts as so many
// GiB, the unit is a MiB.
func (s *site) share() uint64 {
	if s.weight > 0 {
		return s.weight << 10
	}
	return max(1, s.capacity>>20)
}

// inputFor is what the table of these sites follows from. A cluster without blocks
// has nothing to move, so its table is made as if there had been none before.
func inputFor(c *record.Cluster, l *record.Layout, sites []site, previousRedundancy uint32) placement.Input {
	in := placement.Input{Redundancy: int(c.Settings.GetRedundancy()), Spares: spareNodes, Partitions: protocol.Partitions, PreviousRedundancy: int(previousRedundancy)}
	for i := range sites {
		if s := &sites[i]; s.placeable() {
			in.Nodes = append(in.Nodes, placement.Node{ID: uint32(i + 1), Zone: s.zone, Weight: s.share()})
		}
	}
	if records(c.Counters) > 0 {
		in.Previous = tableOf(l)
	}
	return in
}

// tableOf and rowOf are the cluster's table as placement and as the layout's row
// has it.
func tableOf(l *record.Layout) placement.Table { return unpackTable(l.GetTable(), l.GetWidth()) }

func rowOf(t placement.Table, own []*record.OwnTable) *record.Layout {
	return &record.Layout{Width: uint32(t.Width), Table: packTable(t), Own: own}
}

// Why a layout was made; persisted, so numbers never change meaning.
const (
	LayoutAsked      uint32 = 1
	LayoutJoined     uint32 = 2
	LayoutRemoved    uint32 = 3
	LayoutRedundancy uint32 = 4
)

// relayout places anew when no operator has to be asked: in a cluster without
// blocks when membership or zones change, and everywhere when a node is removed or
// redundancy changes.
func (a *applier) relayout(cause, node, previousRedundancy uint32) {
	in := inputFor(a.cluster, a.m.layout, sitesOf(a.m.nodes), previousRedundancy)
	table := placement.Compute(in)
	row := rowOf(table, ownTables(a.cluster, a.m.layout, in, table))
	row.Cause, row.Node = cause, node
	a.setLayout(row)
}

// setLayout makes row the present layout, and files the one before if blocks may
// stand by it.
func (a *applier) setLayout(row *record.Layout) {
	if records(a.cluster.Counters) > 0 {
		a.fileLayout(a.m.layout)
	}
	a.cluster.LayoutVersion++
	row.LayoutVersion = a.cluster.LayoutVersion
	row.Applied, row.AppliedUnixMs = toPB(a.version()), a.nowUnixMs
	a.m.layout = row
	a.store(keyLayout(), row)
}

// Layout answers with the partition table and the nodes.
func Layout(r Reader) (*pb.Layout, error) {
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	row, err := LayoutRow(r)
	if err != nil {
		return nil, err
	}
	nodes, err := readNodes(r)
	if err != nil {
		return nil, err
	}
	return &pb.Layout{
		LayoutVersion: row.LayoutVersion, Width: row.Width, Table: tableOf(row).Places, Own: layoutTables(row), Nodes: memberInfos(nodes),
		Redundancy: cluster.Settings.GetRedundancy(), Quorum: cluster.Settings.GetQuorum(),
		Version: toPB(versionOf(cluster)),
	}, nil
}

// memberInfos describes the nodes, those removed left out.
func memberInfos(nodes []*record.Node) []*pb.BlockNode {
	var out []*pb.BlockNode
	for i, n := range nodes {
		if isMember(n) {
			out = append(out, blockNode(uint32(i+1), n))
		}
	}
	return out
}

func blockNode(id uint32, n *record.Node) *pb.BlockNode {
	node := &pb.BlockNode{
		Node: id, Address: n.Address, Zone: n.Zone, State: n.State, Incarnation: n.Incarnation,
		Suspect: n.InventoryDue != nil,
	}
	for _, d := range n.Disks {
		node.CapacityBytes += d.CapacityBytes
		node.UsedBytes += d.UsedBytes
	}
	return node
}
