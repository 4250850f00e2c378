package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkCondemn(q *record.Condemn) error { return checkHashes(q.Hashes, 1) }

// condemn decides that unreferenced blocks are deleted (reclamation.md, Condemn):
// t is this entry's version, above every version handed out before, and becomes
// the floor; every node that holds or may hold a file is pending until it has
// acknowledged. Delete orders follow from the record, so not before this is
// applied.
func (a *applier) condemn(q *record.Condemn) *record.Result {
	var e effect
	t := a.upcoming()
	var condemned []byte
	for i := range len(q.Hashes) / protocol.HashSize {
		d := a.open(hashAt(q.Hashes, i))
		if e.count(d.row.Phase == record.Block_UNREFERENCED && a.condemnAt(&d, t)) {
			condemned = append(condemned, d.hash...)
		}
	}
	return a.auditEnded(e, e.applied > 0, pb.AuditKind_AUDIT_KIND_CONDEMN, condemned, nil)
}

func (a *applier) condemnAt(d *draft, t protocol.Version) bool {
	b := d.row
	pending := append(heldNodes(b.Copies), heldNodes(b.Drops)...)
	slices.Sort(pending)
	b.Phase, b.Floor = record.Block_CONDEMNED, toPB(t)
	b.Copies, b.Drops, b.Pending = nil, nil, slices.Compact(pending)
	return a.keep(d)
}
