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

// mover gathers what the moves of one plan propose.
type mover struct {
	*planner
	drops   []*record.NodeBlock
	settled []byte
	// some of the marked blocks go on, or would if nodes were less busy.
	some bool
}

// planMoves brings blocks that a sweep has marked in line with the placement,
// those with the fewest copies where they count first, and takes the sweep's next
// step.
func (p *planner) planMoves() error {
	lanes, err := state.Lanes(p.r, state.ClassMove)
	if err != nil {
		return err
	}
	m := &mover{planner: p}
	for _, lane := range lanes {
		if p.paused(state.ClassMove) {
			if err := p.waitLane(state.ClassMove, lane, "the class is paused"); err != nil {
				return err
			}
			continue
		}
		if err := p.scan(state.ClassMove, lane, m.see); err != nil {
			return err
		}
	}
	m.flush()
	return p.planSweep(m.some)
}

// see is move, and takes down whether any marked block goes on.
func (m *mover) see(w state.DueWork) (verdict, error) {
	v, err := m.move(w)
	m.some = m.some || v != blocked
	return v, err
}

// move sees one marked block a step on: a copy to each target that lacks one; when
// all have trusted ones, Drop of those elsewhere; when there is nothing to do, its
// mark is to be judged anew.
func (m *mover) move(w state.DueWork) (verdict, error) {
	b, ok, err := state.BlockRow(m.r, w.Hash)
	if err != nil || !ok || b.Phase != record.Block_LIVE {
		return acted, err
	}
	most := m.obs.Limits.Commands * m.obs.Limits.Batch
	if len(m.drops) >= most || len(m.settled) >= most*protocol.HashSize {
		return full, nil
	}
	s := m.placing.StandingOf(w.Hash[:], b)
	if s.InLine() {
		m.settled = append(m.settled, w.Hash[:]...)
		return acted, nil
	}
	if m.young(b, w) {
		return blocked, nil
	}
	if len(s.Lacking) > 0 {
		return m.fill(b, w, &s)
	}
	if node, found := m.untrusted(b, &s); found {
		m.wait(state.ClassMove, w.Lane, 1, fmt.Sprintf("the inventory of node %d is outstanding", node))
		return blocked, nil
	}
	for _, node := range s.Elsewhere {
		m.drops = append(m.drops, &record.NodeBlock{Hash: w.Hash[:], Node: node})
	}
	return acted, nil
}

// fill orders copies to the targets that lack one.
func (m *mover) fill(b *record.Block, w state.DueWork, s *state.Standing) (verdict, error) {
	if !m.copiesRoom() {
		return full, nil
	}
	some := false
	for _, node := range s.Lacking {
		if m.isFull(node) {
			continue
		}
		if v := m.orderCopy(b, w, node); v != blocked {
			some = true
		}
	}
	if some {
		return acted, nil
	}
	m.wait(state.ClassMove, w.Lane, 1, m.whyNotFilled(b, s))
	return blocked, nil
}

// untrusted finds a target whose copy is suspect: its inventory settles that.
func (p *picture) untrusted(b *record.Block, s *state.Standing) (node uint32, found bool) {
	for _, target := range s.Targets {
		if h := copyOn(b, target); h != nil && !p.trusts(h) {
			return target, true
		}
	}
	return 0, false
}

// whyNotFilled names what keeps the targets that lack a copy from getting one.
func (p *planner) whyNotFilled(b *record.Block, s *state.Standing) string {
	if why := p.noSource(b); why != "" {
		return why
	}
	var silent, full []string
	for _, node := range s.Lacking {
		switch n := p.obs.node(node); {
		case n == nil || !n.Reachable:
			silent = append(silent, fmt.Sprint(node))
		case n.Full:
			full = append(full, fmt.Sprint(node))
		}
	}
	if len(silent) > 0 {
		return "these nodes do not answer: " + strings.Join(silent, ", ")
	}
	if len(full) > 0 {
		return "these nodes are full: " + strings.Join(full, ", ")
	}
	return "these nodes have no slot free: " + strings.Join(names(s.Lacking), ", ")
}

func names(nodes []uint32) (out []string) {
	for _, node := range nodes {
		out = append(out, fmt.Sprint(node))
	}
	return out
}

func (m *mover) flush() {
	for size := m.obs.Limits.Batch; len(m.drops) > 0; {
		n := min(size, len(m.drops))
		m.command(&record.Command{Body: &record.Command_Drop{Drop: &record.Drop{Items: m.drops[:n:n]}}})
		m.drops = m.drops[n:]
	}
	for _, hashes := range m.split(m.settled) {
		m.command(&record.Command{Body: &record.Command_MoveSettled{MoveSettled: &record.MoveSettled{Hashes: hashes}}})
	}
}

// planSweep takes the next step of the sweep that runs, unless enough is marked
// already and some of it goes on: marks are rows, and a sweep need not fill the
// table with them. Blocks that nothing can be done for, such as those of a node that
// is gone, never hold up the others, however many they are.
func (p *planner) planSweep(some bool) error {
	number, s, err := state.RunningSweep(p.r)
	if err != nil || s == nil || s.Walked {
		return err
	}
	switch marked := p.cluster.GetCounters().GetMovingBlocks(); {
	case p.paused(state.ClassMove):
		p.wait(state.ClassMove, 0, 1, fmt.Sprintf("sweep %d: the class is paused", number))
	case some && marked >= uint64(p.obs.Limits.Marked):
		p.wait(state.ClassMove, 0, 1, fmt.Sprintf("sweep %d: marked blocks to be moved first, of which there are %d", number, marked))
	default:
		p.command(&record.Command{Body: &record.Command_SweepStep{SweepStep: &record.SweepStep{
			Sweep: number, Cursor: s.Cursor, Count: uint32(min(p.obs.Limits.Batch, state.MaxBatch)),
		}}})
	}
	return nil
}

// isFull: the node was observed to take no more blocks.
func (p *planner) isFull(node uint32) bool {
	n := p.obs.node(node)
	return n != nil && n.Full
}

// ordered: this plan has an order for the node's copy of the block already.
func (b *batch) ordered(h protocol.Hash) bool {
	return slices.ContainsFunc(b.orders, func(o *pb.Order) bool { return protocol.Hash(o.Hash) == h })
}

// explainMove tells what a marked block waits for.
func (p *planner) explainMove(h protocol.Hash, b *record.Block) (string, error) {
	s := p.placing.StandingOf(h[:], b)
	text := fmt.Sprintf("it stands on nodes %s and is to stand on %s", nodeList(b.Copies), strings.Join(names(s.Targets), ", "))
	switch node, suspect := p.untrusted(b, &s); {
	case s.InLine():
		text = "it stands where it is to stand; its mark is to be taken off"
	case len(s.Lacking) > 0:
		for _, node := range s.Lacking {
			if p.obs.inFlight(h, node) {
				return fmt.Sprintf("%s; node %d was ordered to copy it", text, node), nil
			}
		}
		if p.noSource(b) != "" || !p.takesAny(s.Lacking) {
			return text + "; " + p.whyNotFilled(b, &s), nil
		}
	case suspect:
		return fmt.Sprintf("%s; the inventory of node %d is outstanding", text, node), nil
	default:
		text += "; the copies elsewhere are to be dropped"
	}
	return p.explainRow(h, state.ClassMove, b.Moving-1, text)
}

// takesAny: one of the nodes answers and is not full.
func (p *planner) takesAny(nodes []uint32) bool {
	return slices.ContainsFunc(nodes, func(node uint32) bool { return p.anyAnswers([]uint32{node}) && !p.isFull(node) })
}

// explainUnmarked tells of a block that stands elsewhere and is not marked.
func (p *planner) explainUnmarked(b *record.Block, s *state.Standing) (string, error) {
	number, sweep, err := state.RunningSweep(p.r)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("it stands on nodes %s, and the layout has it on %s", nodeList(b.Copies), strings.Join(names(s.Targets), ", "))
	if sweep != nil && !sweep.Walked {
		return fmt.Sprintf("%s; sweep %d has not come to it yet", text, number), nil
	}
	return "nothing: " + text + ", which the next sweep sees to", nil
}
