package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// inventoryTaken ends a node's suspicion (reclamation.md, Suspect): its copies
// below `due` that it still holds have been counted anew or found, the others
// reported lost. An inventory that was begun for an earlier demand ends nothing.
func (a *applier) inventoryTaken(q *record.InventoryTaken) *record.Result {
	n := a.node(q.Node)
	if !isMember(n) || n.InventoryDue == nil || fromPB(n.InventoryDue) != fromPB(q.Due) {
		return a.ended(effect{ignored: 1}, false)
	}
	n.InventoryDue = nil
	a.touchNode(q.Node)
	a.cluster.Suspects = suspects(a.m.nodes)
	return a.ended(effect{applied: 1}, true)
}
