package schedule

import (
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// planDeletes orders the deletes that nodes have not acknowledged. A lane is one
// node's, so that a node that is down keeps its own and nobody else's.
func (p *planner) planDeletes() error {
	lanes, err := state.Lanes(p.r, state.ClassDelete)
	if err != nil {
		return err
	}
	for _, node := range lanes {
		if why := p.whyNoDelete(node); why != "" {
			if err := p.waitLane(state.ClassDelete, node, why); err != nil {
				return err
			}
			continue
		}
		if err := p.deletesOf(node, p.batch(node)); err != nil {
			return err
		}
	}
	return nil
}

// whyNoDelete names what all deletes of a node wait for; empty: nothing.
func (p *planner) whyNoDelete(node uint32) string {
	at := p.batch(node)
	switch {
	case p.paused(state.ClassDelete):
		return "the class is paused"
	case !p.member(node):
		return fmt.Sprintf("node %d was removed and its mentions are being cleaned", node)
	case at == nil || !at.node.Reachable:
		return fmt.Sprintf("node %d does not answer", node)
	}
	return ""
}

func (p *planner) deletesOf(node uint32, at *batch) error {
	return p.scan(state.ClassDelete, node, func(w state.DueWork) (verdict, error) {
		if len(at.deletes) >= at.slots {
			return full, nil
		}
		if p.obs.inFlight(w.Hash, node) {
			return acted, nil
		}
		b, _, err := state.BlockRow(p.r, w.Hash)
		if err != nil {
			return acted, err
		}
		if t, due := deleteBelow(b, node); due {
			at.deletes = append(at.deletes, deleteOrder(w.Hash, t))
		}
		return acted, nil
	})
}

// deleteBelow is the t of the delete that node has to acknowledge: of the
// condemnation, or of its drop.
func deleteBelow(b *record.Block, node uint32) (t protocol.Version, due bool) {
	if b.GetPhase() == record.Block_CONDEMNED {
		for _, n := range b.Pending {
			if n == node {
				return versionOf(b.Floor), true
			}
		}
		return t, false
	}
	for _, d := range b.GetDrops() {
		if d.Node == node {
			return heldVersion(d), true
		}
	}
	return t, false
}

func deleteOrder(h protocol.Hash, t protocol.Version) *pb.Order {
	return &pb.Order{Kind: pb.OrderKind_ORDER_KIND_DELETE, Hash: h[:], Version: wire(t)}
}
