package state_test

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// placement makes a command of nodes, layout and sweeps, mostly one that a leader
// or an operator would send.
func (g *generator) placement() *record.Command {
	switch g.draw(12) {
	case 0:
		return g.changeLayout()
	case 1, 2, 3, 4, 5:
		return g.nodeState()
	case 6:
		return &record.Command{Body: &record.Command_MoveSettled{MoveSettled: &record.MoveSettled{Hashes: g.blocks().Hashes}}}
	case 7:
		if g.chance(30) {
			return &record.Command{Body: &record.Command_CancelSweep{CancelSweep: &record.CancelSweep{Sweep: g.cluster().LastSweep + uint64(g.draw(10)/9)}}}
		}
	}
	return g.sweepStep()
}

func (g *generator) sweepStep() *record.Command {
	number, sweep, err := state.RunningSweep(g.m.table)
	if err != nil {
		g.m.tb.Fatal(err)
	}
	q := &record.SweepStep{Sweep: number, Cursor: sweep.GetCursor(), Count: uint32(1 + g.draw(3))}
	if g.chance(10) {
		q.Cursor, _ = g.row()
	}
	return &record.Command{Body: &record.Command_SweepStep{SweepStep: q}}
}

func (g *generator) anyNode() uint32 { return uint32(1 + g.draw(len(g.incarnation)+1)) }

// changeLayout changes one or two nodes, or none, as planned.
func (g *generator) changeLayout() *record.Command {
	q := &record.ChangeLayout{Algorithm: state.LayoutAlgorithm, TableDigest: make([]byte, protocol.HashSize), IfLayoutVersion: g.cluster().LayoutVersion}
	for range g.draw(3) {
		kinds := []pb.NodeChange_Kind{pb.NodeChange_ADD, pb.NodeChange_DRAIN, pb.NodeChange_CANCEL_DRAIN, pb.NodeChange_WEIGHT}
		c := &pb.NodeChange{Node: g.anyNode(), Kind: kinds[g.draw(len(kinds))]}
		if fits := g.nodes(func(n *record.Node) bool { return fitsChange(n.State, c.Kind) }); len(fits) > 0 && g.chance(90) {
			c.Node = fits[g.draw(len(fits))]
		}
		if c.Kind == pb.NodeChange_WEIGHT {
			c.Weight = uint64(g.draw(3))
		}
		if len(q.Changes) == 0 || q.Changes[0].Node != c.Node {
			q.Changes = append(q.Changes, c)
		}
	}
	if plan, err := state.PlanLayout(g.m.table, q.Changes); err == nil && g.chance(95) {
		q.TableDigest = plan.TableDigest
	}
	if g.chance(5) {
		q.IfLayoutVersion--
	}
	return &record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: q}}
}

func fitsChange(s pb.NodeState, kind pb.NodeChange_Kind) bool {
	switch kind {
	case pb.NodeChange_ADD:
		return s == joining
	case pb.NodeChange_DRAIN:
		return placedOn(s)
	case pb.NodeChange_CANCEL_DRAIN:
		return s == draining || s == drained
	}
	return s != pb.NodeState_NODE_STATE_REMOVED
}

// nodeState steps from the state that a node is in, mostly to one that may follow.
func (g *generator) nodeState() *record.Command {
	q := &record.SetNodeState{Node: g.anyNode(), AcceptRisk: g.chance(20)}
	nodes, err := state.Nodes(g.m.table)
	if err != nil {
		g.m.tb.Fatal(err)
	}
	if at := int(q.Node) - 1; at < len(nodes) {
		q.IfState, q.IfIncarnation = nodes[at].State, nodes[at].Incarnation
	}
	switch q.IfState {
	case up:
		q.State = []pb.NodeState{down, maintenance}[g.draw(2)]
	case down:
		q.State = []pb.NodeState{down, up}[g.draw(2)]
		q.Away = q.State == down
	case maintenance:
		q.State = up
	default:
		q.State = drained
	}
	switch g.draw(20) {
	case 0:
		q.State = pb.NodeState(g.draw(8))
	case 1:
		q.IfState = pb.NodeState(g.draw(8))
	case 2:
		q.IfIncarnation++
	case 3:
		q.Away = !q.Away
	}
	return &record.Command{Body: &record.Command_SetNodeState{SetNodeState: q}}
}
