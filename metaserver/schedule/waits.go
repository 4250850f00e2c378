package schedule

import (
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// maxWaitScan bounds the rows that Waits looks at.
const maxWaitScan = 256

// Waits names, for people, the one thing that a node's drain, rebuild or removal
// waits for; empty if it goes on, or if none is under way.
func Waits(r state.Reader, obs Observation, node protocol.NodeID) (string, error) {
	pic, err := look(r)
	if err != nil {
		return "", err
	}
	obs.Limits = obs.Limits.withDefaults()
	p := &planner{picture: pic, obs: obs}
	p.openBatches()
	n := p.node(uint32(node))
	switch {
	case n == nil || n.State == pb.NodeState_NODE_STATE_REMOVED && n.Cleaned:
		return "", nil
	case n.State == pb.NodeState_NODE_STATE_REMOVED:
		return "records that mention it to be cleaned", nil
	case n.State == pb.NodeState_NODE_STATE_DRAINING && n.Copies > 0:
		return p.movesWait(uint32(node))
	case n.State == pb.NodeState_NODE_STATE_DRAINING && n.OwedDeletes > 0:
		return p.whyNoDelete(uint32(node)), nil
	case n.Away:
		return p.movesWait(0)
	}
	return "", nil
}

// movesWait names what marked blocks wait for: those with a copy on the node, or
// all of them for 0.
func (p *planner) movesWait(node uint32) (string, error) {
	if p.paused(state.ClassMove) {
		return "the class move is paused", nil
	}
	marked, why, err := p.firstBlocked(node)
	if err != nil || marked {
		return why, err
	}
	number, s, err := state.RunningSweep(p.r)
	switch {
	case err != nil:
		return "", err
	case s != nil && !s.Walked:
		return fmt.Sprintf("sweep %d, which has looked at %d of %d blocks", number, s.BlocksSeen, s.BlocksTotal), nil
	case node == 0 || s != nil:
		return "", nil
	case int(state.HighestRedundancy(p.cluster)) > p.placing.Placed():
		return fmt.Sprintf("more nodes: some blocks are to have %d copies, and %d nodes are left to hold them", state.HighestRedundancy(p.cluster), p.placing.Placed()), nil
	case p.cluster.GetCounters().GetUnreferencedBlocks() > 0:
		return "blocks that nothing refers to, which go when their grace ends", nil
	}
	return "a sweep, and none runs: balancing the layout starts one", nil
}

// firstBlocked looks through marked blocks for one that cannot be moved now. Marked
// tells whether there was any.
func (p *planner) firstBlocked(node uint32) (marked bool, why string, err error) {
	seen := 0
	var failed error
	err = state.ScanWork(p.r, state.ClassMove, func(w state.DueWork) bool {
		var b *record.Block
		if b, _, failed = state.BlockRow(p.r, w.Hash); failed != nil {
			return false
		}
		if node == 0 || copyOn(b, node) != nil {
			marked = true
			why = p.blocker(w, b)
		}
		seen++
		return why == "" && seen < maxWaitScan
	})
	if err == nil {
		err = failed
	}
	return marked, why, err
}

// blocker names what one marked block waits for; empty: it can be moved.
func (p *planner) blocker(w state.DueWork, b *record.Block) string {
	s := p.placing.StandingOf(w.Hash[:], b)
	suspect, untrusted := p.untrusted(b, &s)
	switch {
	case s.InLine():
		return ""
	case p.putOff(w):
		return fmt.Sprintf("block %s, which failed %d times, last with %s; the next try is in %s", w.Hash, w.Attempts, protocol.Kind(w.Cause), p.in(w))
	case len(s.Lacking) > 0 && (p.noSource(b) != "" || !p.takesAny(s.Lacking)):
		return fmt.Sprintf("block %s: %s", w.Hash, p.whyNotFilled(b, &s))
	case len(s.Lacking) == 0 && untrusted:
		return fmt.Sprintf("the inventory of node %d", suspect)
	}
	return ""
}
