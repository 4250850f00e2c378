package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// removeNode ends a node's membership for good (reclamation.md, Remove): from
// this entry on everything ignores it; its mentions are cleaned afterwards
// (cleannode.go), and if the layout named it, every block is placed anew. It is refused while a referenced block would keep fewer than Q
// trusted copies, unless the loss is accepted.
func (a *applier) removeNode(q *record.RemoveNode) *record.Result {
	n := a.node(q.Node)
	if n == nil {
		return a.refuse(protocol.NotFound, "no node has number %d", q.Node)
	}
	if !isMember(n) {
		return a.done()
	}
	if !q.AcceptLoss && a.m.holds(RemoveGuard) {
		if err := guardRemoval(a.cluster, a.m.nodes, q.Node); err != nil {
			return a.refuseWith(err)
		}
	}
	site := site{state: n.State}
	n.InventoryDue, n.CleanCursor, n.Cleaned = nil, nil, false
	a.setNode(q.Node, pb.NodeState_NODE_STATE_REMOVED, false)
	a.cluster.Suspects = suspects(a.m.nodes)
	a.next()
	a.audit(&pb.AuditRow{
		Kind: pb.AuditKind_AUDIT_KIND_REMOVE_NODE, Nodes: []uint32{q.Node}, AcceptLoss: q.AcceptLoss, CriticalBlocks: n.CriticalBlocks,
	})
	if site.placeable() {
		a.relayout(LayoutRemoved, q.Node, a.cluster.Settings.Redundancy)
		a.startSweep(SweepAway, q.Node)
	}
	return a.done()
}

// guardRemoval judges by one count: of the blocks with at most Q counted copies,
// one of them here. While every other node's copies are trusted, and none is left
// of a removed node, counted copies are trusted ones. The count is one look-up and
// bounds from above how many blocks would be left without any copy; which of them,
// only a walk over the records tells (CriticalBlocks).
func guardRemoval(cluster *record.Cluster, nodes []*record.Node, id uint32) error {
	if err := countsTrusted(cluster, nodes, id); err != nil {
		return err
	}
	err := guardCritical(cluster, nodes[id-1], id)
	if err == nil {
		return nil
	}
	return protocol.Errorf(protocol.PreconditionFailed, "%s; drain it first if it answers, wait for its copies to be made again elsewhere if it does not, or accept the loss", protocol.AsError(err).Detail)
}

// RemoveCheck tells whether a node may be removed without accepting a loss: nil,
// or what speaks against it and the next step. Beside what the entry asks, a node
// that answers must hold no copy: its number may have been mistaken, and where
// other nodes are silent it may hold the only copies that can be read, which the
// counts of the log do not show. answers is what the leader has seen. It is a
// reason not to propose the removal, never one to refuse its entry.
func RemoveCheck(r Reader, id uint32, answers bool) error {
	cluster, err := ClusterRow(r)
	if err != nil {
		return err
	}
	nodes, err := readNodes(r)
	if err != nil {
		return err
	}
	n := nodeAt(nodes, id)
	switch {
	case n == nil:
		return protocol.Errorf(protocol.NotFound, "no node has number %d", id)
	case !isMember(n):
		return nil
	case answers && n.Copies > 0:
		return answersYet(cluster, n, id)
	}
	return guardRemoval(cluster, nodes, id)
}

// answersYet refuses the removal of a node that answers, with what it would take.
func answersYet(cluster *record.Cluster, n *record.Node, id uint32) error {
	critical := ""
	if err := guardCritical(cluster, n, id); err != nil {
		critical = ", and " + protocol.AsError(err).Detail
	}
	return protocol.Errorf(protocol.PreconditionFailed, "node %d answers and holds %d copies%s: `ashlar node drain %d --wait` moves them first; if it will not return, stop it; --accept-loss removes it all the same", id, n.Copies, critical, id)
}

// guardCritical: no block would miss the node.
func guardCritical(cluster *record.Cluster, n *record.Node, id uint32) error {
	if n.CriticalBlocks > 0 {
		return protocol.Errorf(protocol.PreconditionFailed, "%d referenced blocks would keep fewer copies than writes wait for (%d, or the redundancy of their buckets where that is less) without node %d", n.CriticalBlocks, cluster.Settings.GetQuorum(), id)
	}
	return nil
}

// countsTrusted: what is counted on other nodes than this one is what is trusted.
func countsTrusted(cluster *record.Cluster, nodes []*record.Node, id uint32) error {
	if cluster.Indexed != nil {
		return protocol.Errorf(protocol.Unavailable, "a change of the quorum is still being carried through; try again")
	}
	for i, other := range nodes {
		switch {
		case uint32(i+1) == id:
		case isMember(other) && other.InventoryDue != nil:
			return protocol.Errorf(protocol.Unavailable, "the inventory of node %d is outstanding, so its copies cannot be relied on yet", i+1)
		case !isMember(other) && !other.Cleaned:
			return protocol.Errorf(protocol.Unavailable, "records still mention node %d, which was removed; try again", i+1)
		}
	}
	return nil
}

// CriticalBlocks lists, for an operator who may have to accept their loss,
// referenced blocks that would keep fewer than Q trusted copies without a node.
// It looks at up to scan records with hashes above after, and returns the last
// hash looked at; more says that there are others.
func CriticalBlocks(r Reader, node uint32, after protocol.Hash, scan int) (critical []protocol.Hash, last protocol.Hash, more bool, err error) {
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, after, false, err
	}
	seen := 0
	last = after
	err = ScanBlocks(r, after, scan, func(h protocol.Hash, b *record.Block) bool {
		seen, last = seen+1, h
		if _, holds := findHeld(b.Copies, node); holds && b.Phase == record.Block_LIVE && keptWithout(cluster, b, node) < settingsOf(cluster).of(b).quorum {
			critical = append(critical, h)
		}
		return true
	})
	return critical, last, seen == scan, err
}

// keptWithout counts the trusted copies on other nodes.
func keptWithout(c *record.Cluster, b *record.Block, node uint32) (kept uint32) {
	for _, held := range b.Copies {
		if held.Node != node && !isSuspect(c, held.Node, heldVersion(held)) {
			kept++
		}
	}
	return kept
}
