package state

import (
	"bytes"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkDeleted(q *record.Deleted) error {
	if err := checkBatch(len(q.Items)); err != nil {
		return err
	}
	for _, item := range q.Items {
		if err := checkNodeBlock(item.Order); err != nil {
			return err
		}
		kept := item.Kept
		if kept != nil && (kept.Node != item.Order.Node || !bytes.Equal(kept.Hash, item.Order.Hash)) {
			return protocol.Errorf(protocol.InvalidArgument, "an answer speaks of another copy than its order")
		}
	}
	return nil
}

// deleted takes acknowledgements of delete orders down (reclamation.md, Deleted).
// "None below t" and "kept, at v" acknowledge alike: there is no file below t any
// more. "Kept" is a claim at v besides. A node that kept a file below t has not
// carried the order out: its answer is as if not said.
func (a *applier) deleted(q *record.Deleted) *record.Result {
	var e effect
	rose := false
	for _, item := range q.Items {
		d := a.open(item.Order.Hash)
		said := a.member(item.Order.Node) && (item.Kept == nil || !fromPB(item.Kept.Version).Less(fromPB(item.Order.Version)))
		changed := said && a.acknowledge(&d, item)
		if said && item.Kept != nil {
			claim := claimOf(item.Kept)
			changed = a.countClaim(&d, claim) || changed
			rose = a.raiseAcks([]*pb.Claim{claim}) || rose
		}
		e.count(changed && a.keep(&d))
	}
	return a.ended(e, e.applied > 0 || rose)
}

// acknowledge takes the node out of pending, or its drop out, if the order is the
// one that the record waits for: of the same t.
func (a *applier) acknowledge(d *draft, item *record.DeletedItem) (changed bool) {
	if item.Kept != nil && !a.m.holds(KeptClearsPending) {
		return false
	}
	node, t := item.Order.Node, fromPB(item.Order.Version)
	if d.row.Phase == record.Block_CONDEMNED && fromPB(d.row.Floor) == t {
		if at, found := slices.BinarySearch(d.row.Pending, node); found {
			d.row.Pending = slices.Delete(d.row.Pending, at, at+1)
			return true
		}
	}
	if at, found := findHeld(d.row.Drops, node); found && heldVersion(d.row.Drops[at]) == t {
		d.row.Drops = removeHeld(d.row.Drops, node)
		return true
	}
	return false
}

// countClaim counts one claim as Copied does.
func (a *applier) countClaim(d *draft, c *pb.Claim) (raised bool) {
	if !a.stands(c) {
		return false
	}
	_, raised = a.countCopies(d, []heldClaim{{node: c.Node, version: claimVersion(c)}})
	return raised
}
