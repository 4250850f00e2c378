package schedule

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// picture is what every decision reads of the state first.
type picture struct {
	r         state.Reader
	cluster   *record.Cluster
	version   protocol.Version
	first     protocol.Version
	watermark protocol.Version
	// nodes[i] is node i+1.
	nodes []*record.Node
	// placing is where blocks are to stand.
	placing *state.Placing
}

func look(r state.Reader) (p picture, err error) {
	p.r = r
	if p.cluster, err = state.ClusterRow(r); err != nil {
		return p, err
	}
	p.version = protocol.Version{Generation: p.cluster.Generation, Counter: p.cluster.Counter}
	p.first, p.watermark = versionOf(p.cluster.First), versionOf(p.cluster.Watermark)
	if p.placing, err = state.PlacingOf(r); err != nil {
		return p, err
	}
	p.nodes = p.placing.Nodes
	return p, nil
}

func isMember(n *record.Node) bool {
	return n != nil && n.State != pb.NodeState_NODE_STATE_REMOVED
}

func (p *picture) node(id uint32) *record.Node {
	if id == 0 || int(id) > len(p.nodes) {
		return nil
	}
	return p.nodes[id-1]
}

// member: the log has admitted the node and not removed it.
func (p *picture) member(id uint32) bool { return isMember(p.node(id)) }

func heldVersion(h *record.Held) protocol.Version {
	return protocol.Version{Generation: h.Generation, Counter: h.Counter}
}

// trusts: the copy is counted, on a member, and not suspect.
func (p *picture) trusts(h *record.Held) bool {
	n := p.node(h.Node)
	return isMember(n) && !heldVersion(h).Less(versionOf(n.InventoryDue))
}

func (p *picture) trustedCopies(b *record.Block) (count int) {
	for _, h := range b.Copies {
		if p.trusts(h) {
			count++
		}
	}
	return count
}

// copyOn is the counted copy on a node; nil if none is.
func copyOn(b *record.Block, node uint32) *record.Held {
	for _, h := range b.GetCopies() {
		if h.Node == node {
			return h
		}
	}
	return nil
}

// countedCopies counts those on members that count for placement; suspect ones are
// waited for, since their nodes' inventories are taken at once.
func (p *picture) countedCopies(b *record.Block) (count int) {
	for _, h := range b.Copies {
		if p.member(h.Node) && !p.away(h.Node) {
			count++
		}
	}
	return count
}

// away: the node's copies do not count for placement.
func (p *picture) away(node uint32) bool { return slices.Contains(p.placing.Away, node) }

// wanted: the block is to stand on the node; b is nil where there is no row.
func (p *picture) wanted(h protocol.Hash, b *record.Block, node uint32) bool {
	return slices.Contains(p.placing.Wanted(h[:], b), node)
}

// redundancy is R of the block.
func (p *picture) redundancy(b *record.Block) int { return int(p.placing.RedundancyOf(b)) }

// quorum is Q of the block.
func (p *picture) quorum(b *record.Block) uint32 {
	return min(p.cluster.GetSettings().GetQuorum(), p.placing.RedundancyOf(b))
}

// floor is fl(h); b is nil where there is no row.
func (p *picture) floor(b *record.Block) protocol.Version {
	if b == nil {
		return p.first.Max(p.watermark)
	}
	return p.first.Max(versionOf(b.Floor))
}

// droppable: Drop of n's copy would apply (reclamation.md, Drop): at least R
// trusted copies stand on wanted nodes other than n.
func (p *picture) droppable(h protocol.Hash, b *record.Block, n uint32) bool {
	if b.GetPhase() != record.Block_LIVE || !p.member(n) {
		return false
	}
	others, targets := 0, p.placing.Wanted(h[:], b)
	for _, c := range b.Copies {
		if c.Node != n && p.trusts(c) && slices.Contains(targets, c.Node) {
			others++
		}
	}
	return others >= p.redundancy(b)
}

// paused: the settings pause the class.
func (p *picture) paused(class uint32) bool {
	return state.IsPaused(p.cluster, class)
}

// sourcesOf lists the addresses of those that hold a block, at most
// protocol.MaxSources: trusted copies before others, turned by n so that work is
// spread and a retry asks another.
func (p *picture) sourcesOf(obs *Observation, b *record.Block, target uint32, n uint64) []string {
	var trusted, others []string
	for _, h := range b.Copies {
		node := obs.node(h.Node)
		if h.Node == target || node == nil || !node.Reachable || !p.member(h.Node) {
			continue
		}
		if p.trusts(h) {
			trusted = append(trusted, node.Address)
		} else {
			others = append(others, node.Address)
		}
	}
	all := append(turn(trusted, n), turn(others, n)...)
	return all[:min(len(all), protocol.MaxSources)]
}
