package schedule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// planRedundancy orders copies of live blocks that have fewer than R counted
// ones, those with the fewest counted copies first.
func (p *planner) planRedundancy() error {
	lanes, err := state.Lanes(p.r, state.ClassRedundancy)
	if err != nil {
		return err
	}
	for _, lane := range lanes {
		if p.paused(state.ClassRedundancy) {
			if err := p.waitLane(state.ClassRedundancy, lane, "the class is paused"); err != nil {
				return err
			}
			continue
		}
		if err := p.scan(state.ClassRedundancy, lane, p.repair); err != nil {
			return err
		}
	}
	return nil
}

// repair orders the copies that one block lacks.
func (p *planner) repair(w state.DueWork) (verdict, error) {
	b, ok, err := state.BlockRow(p.r, w.Hash)
	if err != nil || !ok || b.Phase != record.Block_LIVE {
		return acted, err
	}
	if !p.copiesRoom() {
		return full, nil
	}
	if p.young(b, w) {
		return blocked, nil
	}
	missing := p.redundancy(b) - p.countedCopies(b)
	candidates := p.candidates(b, w)
	var busy bool
	for _, node := range candidates {
		if missing <= 0 {
			break
		}
		switch p.orderCopy(b, w, node) {
		case acted:
			missing--
		case full:
			busy = true
		}
	}
	if missing <= 0 || busy {
		return acted, nil
	}
	p.wait(state.ClassRedundancy, w.Lane, 1, p.whyNoCopy(b, w))
	return blocked, nil
}

// young: a writer goes on when a quorum has acknowledged, and the copies that are
// still under way are claimed a moment later.
func (p *planner) young(b *record.Block, w state.DueWork) bool {
	if p.obs.YoungFrom.IsZero() || w.Attempts > 0 || w.Lane < p.quorum(b) {
		return false
	}
	return slices.ContainsFunc(b.Copies, func(h *record.Held) bool { return !heldVersion(h).Less(p.obs.YoungFrom) })
}

// copiesRoom tells whether any node takes another copy order.
func (p *planner) copiesRoom() bool {
	for i := range p.batches {
		if b := &p.batches[i]; len(b.orders) < b.share(p.obs.Chance) {
			return true
		}
	}
	return false
}

// candidates are the nodes that may take a copy: of the layout's that count for
// placement, best first, and turned by the attempts made, so that a broken node is
// passed over. Those that take no more blocks of clients come last: what they keep
// in reserve is for this.
func (p *planner) candidates(b *record.Block, w state.DueWork) []uint32 {
	var roomy, scarce []uint32
	for _, node := range p.placing.Places(w.Hash[:], b) {
		switch {
		case !p.member(node) || p.away(node) || copyOn(b, node) != nil:
		case p.isFull(node):
			scarce = append(scarce, node)
		default:
			roomy = append(roomy, node)
		}
	}
	return append(turn(roomy, uint64(w.Attempts)), turn(scarce, uint64(w.Attempts))...)
}

// orderCopy has node fetch the block: acted if it is or was ordered, full if the
// node has no slot now, blocked if it cannot.
func (p *planner) orderCopy(b *record.Block, w state.DueWork, node uint32) verdict {
	at := p.batch(node)
	if p.obs.inFlight(w.Hash, node) || at != nil && at.ordered(w.Hash) {
		return acted
	}
	if at == nil || !at.node.Reachable {
		return blocked
	}
	sources := p.sourcesOf(&p.obs, b, node, seedOf(w.Hash)+uint64(w.Attempts))
	if len(sources) == 0 {
		return blocked
	}
	if len(at.orders) >= at.share(p.obs.Chance) || at.deletesOf(w.Hash) {
		return full
	}
	at.orders = append(at.orders, p.copyOrder(w.Hash, sources))
	return acted
}

// deletesOf tells whether the batch has a delete of the block: one order at a time.
func (b *batch) deletesOf(h protocol.Hash) bool {
	return slices.ContainsFunc(b.deletes, func(o *pb.Order) bool { return protocol.Hash(o.Hash) == h })
}

// copyOrder is made at the version of the view: o of reclamation.md, Where
// versions come from.
func (p *picture) copyOrder(h protocol.Hash, sources []string) *pb.Order {
	return &pb.Order{Kind: pb.OrderKind_ORDER_KIND_COPY, Hash: h[:], Version: wire(p.version), Sources: sources}
}

// whyNoCopy names what a block waits for.
func (p *planner) whyNoCopy(b *record.Block, w state.DueWork) string {
	if why := p.noSource(b); why != "" {
		return why
	}
	var silent []string
	for _, node := range p.candidates(b, w) {
		if n := p.obs.node(node); n == nil || !n.Reachable {
			silent = append(silent, fmt.Sprint(node))
		}
	}
	if len(silent) > 0 {
		return "these nodes do not answer: " + strings.Join(silent, ", ")
	}
	return fmt.Sprintf("fewer than %d nodes can hold it", p.redundancy(b))
}

// noSource tells why the block cannot be fetched from anywhere; empty: it can.
func (p *planner) noSource(b *record.Block) string {
	switch {
	case len(p.sourcesOf(&p.obs, b, 0, 0)) > 0:
		return ""
	case len(b.Copies) == 0:
		return "no copy is counted anywhere"
	}
	return "no node that holds it answers: " + nodeList(b.Copies)
}

func nodeList(held []*record.Held) string {
	var names []string
	for _, h := range held {
		names = append(names, fmt.Sprint(h.Node))
	}
	return strings.Join(names, ", ")
}
