package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkDrop(q *record.Drop) error { return checkNodeBlocks(q.Items) }

// drop takes surplus copies of live blocks out (reclamation.md, Drop): t is this
// entry's version and becomes the floor, so that no acknowledgement from before
// can bring the copy back; the order (h, t) to the node follows from the record.
// The node need not be counted: its file may be a stray.
func (a *applier) drop(q *record.Drop) *record.Result {
	var e effect
	var dropped []byte
	var nodes []uint32
	t := a.upcoming()
	for _, item := range q.Items {
		d := a.open(item.Hash)
		if e.count(a.member(item.Node) && a.surplus(&d, item.Node) && a.dropAt(&d, item.Node, t)) {
			dropped, nodes = append(dropped, d.hash...), append(nodes, item.Node)
		}
	}
	return a.auditEnded(e, e.applied > 0, pb.AuditKind_AUDIT_KIND_DROP, dropped, nodes)
}

// surplus: the block is live, and at least R trusted copies stand on wanted nodes
// other than this one: those of the target set (targets.go).
func (a *applier) surplus(d *draft, node uint32) bool {
	if d.row.Phase != record.Block_LIVE {
		return false
	}
	redundancy := a.placing().RedundancyOf(d.row)
	if !a.m.holds(DropByHighest) {
		redundancy = a.cluster.Settings.Redundancy
	}
	places := Wanted(a.m.layout, a.cluster.Away, redundancy, d.hash)
	if !a.m.holds(DropTargets) {
		places = heldNodes(d.row.Copies)
	}
	others := 0
	for _, c := range d.row.Copies {
		if c.Node != node && slices.Contains(places, c.Node) && a.trusts(c.Node, heldVersion(c)) {
			others++
		}
	}
	return others >= int(redundancy) || !a.m.holds(DropGuard)
}

func (a *applier) dropAt(d *draft, node uint32, t protocol.Version) bool {
	d.row.Copies = removeHeld(d.row.Copies, node)
	d.row.Drops, _ = raiseHeld(d.row.Drops, node, t)
	if a.m.holds(DropRaisesFloor) {
		d.row.Floor = toPB(t)
	}
	return a.keep(d)
}
