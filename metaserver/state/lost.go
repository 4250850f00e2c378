package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkLost(q *record.Lost) error { return checkNodeBlocks(q.Items) }

// lost takes out copies that nodes say of themselves are gone (reclamation.md,
// Lost): only those counted at just the version named, as an old report may be of
// a file that was stored anew since; and the floor rises to this entry's version,
// as an old acknowledgement may be of the file that is gone. No delete order
// follows.
func (a *applier) lost(q *record.Lost) *record.Result {
	var e effect
	var lost []byte
	var nodes []uint32
	t := a.upcoming()
	for _, item := range q.Items {
		d := a.open(item.Hash)
		if e.count(a.member(item.Node) && a.counted(&d, item) && a.loseAt(&d, item.Node, t)) {
			lost, nodes = append(lost, d.hash...), append(nodes, item.Node)
		}
	}
	return a.auditEnded(e, e.applied > 0, pb.AuditKind_AUDIT_KIND_LOST, lost, nodes)
}

// counted: the record counts just this copy.
func (a *applier) counted(d *draft, item *record.NodeBlock) bool {
	at, found := findHeld(d.row.Copies, item.Node)
	return found && (heldVersion(d.row.Copies[at]) == fromPB(item.Version) || !a.m.holds(LostNamesVersion))
}

func (a *applier) loseAt(d *draft, node uint32, t protocol.Version) bool {
	d.row.Copies = removeHeld(d.row.Copies, node)
	if a.m.holds(LostRaisesFloor) {
		d.row.Floor = toPB(t)
	}
	return a.keep(d)
}
