package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// StateName is the word for a node's state.
func StateName(s pb.NodeState) string {
	switch s {
	case pb.NodeState_NODE_STATE_JOINING:
		return "joining"
	case pb.NodeState_NODE_STATE_UP:
		return "up"
	case pb.NodeState_NODE_STATE_DOWN:
		return "down"
	case pb.NodeState_NODE_STATE_MAINTENANCE:
		return "in maintenance"
	case pb.NodeState_NODE_STATE_DRAINING:
		return "draining"
	case pb.NodeState_NODE_STATE_DRAINED:
		return "drained"
	case pb.NodeState_NODE_STATE_REMOVED:
		return "removed"
	}
	return "unknown"
}

// setNodeState takes down what became of a node, if it still is in the state and
// incarnation that this was decided on: down, up and drained follow from what the
// leader has seen, away from how long a node has been down, maintenance from an
// operator's word. Who answers is never asked here.
func (a *applier) setNodeState(q *record.SetNodeState) *record.Result {
	n := a.node(q.Node)
	switch {
	case n == nil:
		return a.refuse(protocol.NotFound, "no node has number %d", q.Node)
	case n.State != q.IfState || n.Incarnation != q.IfIncarnation:
		return a.refuse(protocol.Changed, "node %d is %s in incarnation %d, not %s in %d", q.Node, StateName(n.State), n.Incarnation, StateName(q.IfState), q.IfIncarnation)
	}
	away := n.Away
	if err := a.guardState(n, q); err != nil {
		return a.refuseWith(err)
	}
	a.next()
	a.setNode(q.Node, q.State, q.Away)
	switch {
	case q.Away && !away:
		a.startSweep(SweepAway, q.Node)
	case away && !q.Away:
		a.startSweep(SweepBack, q.Node)
	}
	return a.done()
}

// guardState judges a step between two states.
func (a *applier) guardState(n *record.Node, q *record.SetNodeState) error {
	const (
		up, down, maintenance = pb.NodeState_NODE_STATE_UP, pb.NodeState_NODE_STATE_DOWN, pb.NodeState_NODE_STATE_MAINTENANCE
		draining, drained     = pb.NodeState_NODE_STATE_DRAINING, pb.NodeState_NODE_STATE_DRAINED
	)
	type step struct {
		from, to pb.NodeState
		away     bool
	}
	switch (step{n.State, q.State, q.Away}) {
	case step{up, down, false}, step{down, up, false}, step{maintenance, up, false}:
		return nil
	case step{down, down, true}:
		if !n.Away {
			return nil
		}
	case step{draining, drained, false}:
		if (n.Copies > 0 || n.OwedDeletes > 0) && a.m.holds(DrainedGuard) {
			return protocol.Errorf(protocol.PreconditionFailed, "node %d still holds %d copies and owes %d deletes", q.Node, n.Copies, n.OwedDeletes)
		}
		return nil
	case step{up, maintenance, false}:
		if q.AcceptRisk || !a.m.holds(MaintenanceGuard) {
			return nil
		}
		return guardStop(a.cluster, a.m.nodes, q.Node)
	}
	return protocol.Errorf(protocol.PreconditionFailed, "node %d is %s and does not become %s", q.Node, StateName(n.State), StateName(q.State))
}

// guardStop judges whether a node may stop: every referenced block keeps Q copies
// on nodes that neither are down nor may be by another operator's word, so that
// two of them cannot both get a yes. A copy counts on a trusted node that is up and
// nowhere else: of one that is draining or joining no entry tells whether it stands,
// and the count of critical blocks does not tell its copies from others, so while
// it has any, nobody may stop.
func guardStop(cluster *record.Cluster, nodes []*record.Node, id uint32) error {
	for i, other := range nodes {
		if uint32(i+1) == id || !isMember(other) {
			continue
		}
		switch s := other.State; {
		case s == pb.NodeState_NODE_STATE_DOWN || s == pb.NodeState_NODE_STATE_MAINTENANCE:
			return protocol.Errorf(protocol.PreconditionFailed, "node %d is %s already", i+1, StateName(s))
		case s != pb.NodeState_NODE_STATE_UP && other.Copies > 0:
			return protocol.Errorf(protocol.PreconditionFailed, "node %d is %s, and the %d copies that it holds cannot be counted on", i+1, StateName(s), other.Copies)
		}
	}
	if err := countsTrusted(cluster, nodes, id); err != nil {
		return err
	}
	return guardCritical(cluster, nodes[id-1], id)
}

// StopCheck tells whether a node may stop now: nil, or the one thing that speaks
// against it. CriticalBlocks lists the blocks in question.
func StopCheck(r Reader, id uint32) error {
	cluster, err := ClusterRow(r)
	if err != nil {
		return err
	}
	nodes, err := readNodes(r)
	if err != nil {
		return err
	}
	if !isMember(nodeAt(nodes, id)) {
		return protocol.Errorf(protocol.NotFound, "no node has number %d", id)
	}
	return guardStop(cluster, nodes, id)
}
