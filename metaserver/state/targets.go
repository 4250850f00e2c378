package state

import (
	"encoding/binary"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Placing is what placement goes by: the layout, and who counts for it.
type Placing struct {
	Layout *record.Layout
	// Nodes[i] is node i+1.
	Nodes []*record.Node
	// Away lists the nodes whose copies do not count for placement, sorted.
	Away []uint32
	// Redundancy is the cluster's.
	Redundancy uint32
}

// PlacingOf reads what placement goes by.
func PlacingOf(r Reader) (*Placing, error) {
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	layout, err := LayoutRow(r)
	if err != nil {
		return nil, err
	}
	nodes, err := readNodes(r)
	return &Placing{layout, nodes, cluster.Away, cluster.Settings.GetRedundancy()}, err
}

// LayoutRow returns the present layout's row; an empty one before the first.
func LayoutRow(r Reader) (*record.Layout, error) {
	row := &record.Layout{}
	_, err := load(r, keyLayout(), row)
	return row, err
}

// Wanted is the target set of a hash: the first R nodes of its partition's places,
// in the table of that R, that are not away. It is shorter if there are fewer.
func Wanted(l *record.Layout, away []uint32, redundancy uint32, hash []byte) []uint32 {
	table, width := tableFor(l, redundancy)
	out := make([]uint32, 0, min(int(redundancy), width))
	for at := partitionOf(hash) * width; at < (partitionOf(hash)+1)*width && len(out) < int(redundancy); at++ {
		if node := placeAt(table, at); !slices.Contains(away, node) {
			out = append(out, node)
		}
	}
	return out
}

// placeAt reads place i of a table.
func placeAt(table []byte, i int) uint32 { return binary.BigEndian.Uint32(table[i*placeSize:]) }

// RedundancyOf is R of a block; of one without a record, the cluster's.
func (p *Placing) RedundancyOf(b *record.Block) uint32 {
	if b == nil {
		return p.Redundancy
	}
	return redundancyOf(b, p.Redundancy)
}

// Placed counts the nodes that blocks are placed on and whose copies count.
func (p *Placing) Placed() (count int) {
	for i, n := range p.Nodes {
		if placeable(n) && !slices.Contains(p.Away, uint32(i+1)) {
			count++
		}
	}
	return count
}

// Wanted is the target set of a block; b is nil where there is no record.
func (p *Placing) Wanted(hash []byte, b *record.Block) []uint32 {
	return Wanted(p.Layout, p.Away, p.RedundancyOf(b), hash)
}

// Places are the nodes of a block's partition, best first: the wanted, then spares.
func (p *Placing) Places(hash []byte, b *record.Block) []uint32 {
	table, width := tableFor(p.Layout, p.RedundancyOf(b))
	return unpackTable(table[partitionOf(hash)*width*placeSize:][:width*placeSize], uint32(width)).Places
}

// Standing is how a block's counted copies compare with the placement.
type Standing struct {
	// Targets is the target set, Lacking those of it without a counted copy: none of
	// a block that is lost, which nothing can be done for.
	Targets, Lacking []uint32
	// Elsewhere are members beside the targets with a counted copy. Those of a node
	// that is down and away are not among them: it may return with them, and cannot
	// delete them before.
	Elsewhere []uint32
	// Counting is how many counted copies stand on nodes that count for placement.
	Counting int
	// Short: there are fewer than R targets, so no copy can be dropped.
	Short bool
}

// StandingOf compares a record with the placement.
func (p *Placing) StandingOf(hash []byte, b *record.Block) Standing {
	s := Standing{Targets: p.Wanted(hash, b)}
	s.Short = len(s.Targets) < int(p.RedundancyOf(b))
	for _, node := range s.Targets {
		if _, counted := findHeld(b.Copies, node); !counted && len(b.Copies) > 0 {
			s.Lacking = append(s.Lacking, node)
		}
	}
	for _, c := range b.Copies {
		n := nodeAt(p.Nodes, c.Node)
		switch {
		case !isMember(n) || n.Away:
			continue
		case !slices.Contains(p.Away, c.Node):
			s.Counting++
		}
		if !slices.Contains(s.Targets, c.Node) {
			s.Elsewhere = append(s.Elsewhere, c.Node)
		}
	}
	return s
}

// InLine: every target holds a counted copy, and none stands elsewhere that could
// be dropped.
func (s *Standing) InLine() bool {
	return len(s.Lacking) == 0 && (len(s.Elsewhere) == 0 || s.Short)
}

// isAway: the node's copies do not count for placement.
func isAway(n *record.Node) bool {
	switch n.GetState() {
	case pb.NodeState_NODE_STATE_DRAINING, pb.NodeState_NODE_STATE_DRAINED:
		return true
	}
	return isMember(n) && n.Away
}

// awayNodes derives the cluster row's list from the nodes.
func awayNodes(nodes []*record.Node) []uint32 {
	var out []uint32
	for i, n := range nodes {
		if isAway(n) {
			out = append(out, uint32(i+1))
		}
	}
	return out
}

// nodeAt returns nil for a number that was never given out.
func nodeAt(nodes []*record.Node, id uint32) *record.Node {
	if id == 0 || uint64(id) > uint64(len(nodes)) {
		return nil
	}
	return nodes[id-1]
}

// placing is the applier's present one.
func (a *applier) placing() *Placing {
	return &Placing{a.m.layout, a.m.nodes, a.cluster.Away, a.cluster.Settings.GetRedundancy()}
}

// markOf is a record's mark as it follows from what the record has become: 0 when
// it is in line with the placement. A record that was not marked becomes so if it
// has a copy on a node that is away, or one elsewhere while the running sweep is
// past it: else what is committed by an old placement behind a sweep's back would
// stay for good. With all, as for a sweep's own step, it becomes so in any case.
func (a *applier) markOf(d *draft, all bool) uint32 {
	b := d.row
	if b.Phase != record.Block_LIVE || b.Moving == 0 && !all && len(a.cluster.Away) == 0 && a.m.sweep == nil {
		return 0
	}
	s := a.placing().StandingOf(d.hash, b)
	if s.InLine() || b.Moving == 0 && !all && !a.touchesAway(b) && (len(s.Elsewhere) == 0 || !a.swept(d.hash)) {
		return 0
	}
	return 1 + uint32(s.Counting)
}

// touchesAway: a copy is counted on a node that is away.
func (a *applier) touchesAway(b *record.Block) bool {
	return a.m.holds(AwayMarked) && slices.ContainsFunc(b.Copies, func(h *record.Held) bool { return slices.Contains(a.cluster.Away, h.Node) })
}

// records counts the block records of all phases.
func records(c *pb.Counters) uint64 {
	return c.GetLiveBlocks() + c.GetUnreferencedBlocks() + c.GetCondemnedBlocks()
}

// partitionOf is the partition of a hash: its first 12 bits.
func partitionOf(hash []byte) int { return int(hash[0])<<4 | int(hash[1])>>4 }
