package sim

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Point is something that a campaign has to have seen.
type Point int

// The points: rules of the state that took effect, answers of nodes, and
// refusals.
const (
	PointStored Point = iota
	PointReferencedAgain
	PointUnreferenced
	PointRevivedUnreferenced
	PointCondemned
	PointRevivedCondemned
	PointRevivedWithDrops
	PointReaped
	PointReapedForStrays
	PointDropped
	PointDropAcknowledged
	PointDeletedAcknowledged
	PointKept
	PointKeptCounted
	PointCopied
	PointLost
	PointClaimsRefused
	PointRegistered
	PointRestarted
	PointSuspect
	PointInventoryTaken
	PointRemoved
	PointRemoveRefused
	PointCleaned
	PointGeneration
	PointSessionOpened
	PointSessionClosed
	PointSessionExpired
	PointRepeated
	PointUploaded
	PointUploadAborted
	PointUnreferenceStale
	PointPostponed
	PointRetried
	PointStray
	PointCopyHeld
	PointDeleteDone
	PointVerifyHeld
	PointVerifyLost
	PointOrderRefused
	PointTrashed
	PointUndeleted
	PointUndeletedReplacing
	PointTrashEmptied
	PointTrashStale
	pointEnd
)

var pointNames = [pointEnd]string{
	"Commit: no row to live", "Commit: live again", "Unreference: to unreferenced", "Commit: unreferenced to live", "Condemn", "Commit: condemned to live",
	"Commit: revival keeps drops", "Reap: a row", "Reap: W alone", "Drop", "Deleted: a drop", "Deleted: a condemnation", "Deleted: kept", "Deleted: kept, counted",
	"Copied", "Lost", "Commit: refused", "Register: a new node", "Register: a new start", "Register: rolled back, suspect", "InventoryTaken", "Remove",
	"Remove: refused", "CleanNode: finished", "Generation", "OpenSession", "CloseSession", "CloseSession: expired", "a sequence asked again", "Commit: an upload",
	"AbortUpload", "Unreference: stale cursor", "Postpone", "RetryNow", "Stray", "order: copy held", "order: delete done", "order: verify held", "order: verify lost",
	"order: refused", "Delete: to the trash", "Undelete", "Undelete: in place of another", "EmptyTrash", "EmptyTrash: stale",
}

// String names the point.
func (p Point) String() string {
	if p >= 0 && p < pointEnd {
		return pointNames[p]
	}
	return fmt.Sprintf("point %d", int(p))
}

// Cover counts what happened.
type Cover struct {
	Points [pointEnd]int
	Faults [faultEnd]int
	Orders [8]int
}

// Add adds another run's.
func (c *Cover) Add(o Cover) {
	for i := range c.Points {
		c.Points[i] += o.Points[i]
	}
	for i := range c.Faults {
		c.Faults[i] += o.Faults[i]
	}
	for i := range c.Orders {
		c.Orders[i] += o.Orders[i]
	}
}

// Missing lists what never happened.
func (c *Cover) Missing() (out []string) {
	for i, n := range c.Points {
		if n == 0 {
			out = append(out, Point(i).String())
		}
	}
	for i, n := range c.Faults {
		if n == 0 {
			out = append(out, Fault(i).String())
		}
	}
	return out
}

// String is a table.
func (c *Cover) String() string {
	var b strings.Builder
	for i, n := range c.Points {
		fmt.Fprintf(&b, "  %-32s %9d\n", Point(i), n)
	}
	for i, n := range c.Faults {
		fmt.Fprintf(&b, "  fault: %-25s %9d\n", Fault(i), n)
	}
	return b.String()
}

// transition counts what became of a row with one entry.
func (c *Cover) transition(before, after *record.Block) {
	from, to := before.GetPhase(), after.GetPhase()
	count := func(p Point, happened bool) {
		if happened {
			c.Points[p]++
		}
	}
	count(PointStored, from == record.Block_NONE && to == record.Block_LIVE)
	count(PointReferencedAgain, from == record.Block_LIVE && to == record.Block_LIVE && after.Refs > before.Refs)
	count(PointUnreferenced, from == record.Block_LIVE && to == record.Block_UNREFERENCED)
	count(PointRevivedUnreferenced, from == record.Block_UNREFERENCED && to == record.Block_LIVE)
	count(PointCondemned, from == record.Block_UNREFERENCED && to == record.Block_CONDEMNED)
	count(PointRevivedCondemned, from == record.Block_CONDEMNED && to == record.Block_LIVE)
	count(PointRevivedWithDrops, from == record.Block_CONDEMNED && len(after.GetDrops()) > 0)
	count(PointReaped, from == record.Block_CONDEMNED && after == nil)
	count(PointDropped, from == record.Block_LIVE && to == record.Block_LIVE && len(after.Drops) > len(before.Drops))
	count(PointDropAcknowledged, len(before.GetDrops()) > len(after.GetDrops()) && from == to)
	count(PointDeletedAcknowledged, from == record.Block_CONDEMNED && to == from && len(after.Pending) < len(before.Pending))
}

// nodes counts what became of the nodes.
func (c *Cover) nodes(before, after []*record.Node) {
	for i, n := range after {
		if i >= len(before) {
			c.Points[PointRegistered]++
			continue
		}
		b := before[i]
		if n.Incarnation > b.Incarnation {
			c.Points[PointRestarted]++
			if n.InventoryDue != nil && b.InventoryDue == nil {
				c.Points[PointSuspect]++
			}
		}
		if b.InventoryDue != nil && n.InventoryDue == nil && n.State != pb.NodeState_NODE_STATE_REMOVED {
			c.Points[PointInventoryTaken]++
		}
		if n.Cleaned && !b.Cleaned {
			c.Points[PointCleaned]++
		}
	}
}

// command counts what a command came to.
func (c *Cover) command(cmd *record.Command, r *record.Result) {
	ok := r.Kind == 0
	count := func(p Point, happened bool) {
		if happened {
			c.Points[p]++
		}
	}
	switch b := cmd.Body.(type) {
	case *record.Command_Commit:
		count(PointClaimsRefused, protocol.Kind(r.Kind) == protocol.ClaimsRefused)
		count(PointUploaded, ok && len(b.Commit.Upload) > 0)
	case *record.Command_Delete:
		count(PointTrashed, r.GetDelete().GetTrashDueUnixMs() > 0)
	case *record.Command_Undelete:
		count(PointUndeleted, ok)
		count(PointUndeletedReplacing, r.GetUndelete().GetReplaced())
	case *record.Command_EmptyTrash:
		count(PointTrashEmptied, r.GetEmptyTrash().GetApplied() > 0)
		count(PointTrashStale, r.GetEmptyTrash().GetIgnored() > 0)
	case *record.Command_AbortUpload:
		count(PointUploadAborted, ok)
	case *record.Command_OpenSession:
		count(PointSessionOpened, ok)
	case *record.Command_CloseSession:
		count(PointSessionExpired, ok && b.CloseSession.Expire)
		count(PointSessionClosed, ok && !b.CloseSession.Expire)
	case *record.Command_Copied:
		count(PointCopied, r.GetCopied().GetCounted() > 0)
	case *record.Command_Lost:
		count(PointLost, ok)
	case *record.Command_RemoveNode:
		count(PointRemoved, ok)
		count(PointRemoveRefused, !ok)
	case *record.Command_StartGeneration:
		count(PointGeneration, ok)
	case *record.Command_Postpone:
		count(PointPostponed, ok)
	case *record.Command_RetryNow:
		count(PointRetried, ok)
	case *record.Command_Reap:
		count(PointReapedForStrays, ok && len(b.Reap.Hashes) == 0)
	case *record.Command_Unreference:
		count(PointUnreferenceStale, r.GetUnreference().GetStale() > 0)
	case *record.Command_Deleted:
		for _, i := range b.Deleted.Items {
			count(PointKeptCounted, i.Kept != nil)
		}
	}
}

func (c *Cover) order(k pb.OrderKind) { c.Orders[k]++ }

// outcome counts what nodes answer.
func (c *Cover) outcome(k pb.OrderKind, o pb.Outcome) {
	points := []struct {
		kind    pb.OrderKind
		outcome pb.Outcome
		point   Point
	}{
		{pb.OrderKind_ORDER_KIND_COPY, pb.Outcome_OUTCOME_HELD, PointCopyHeld},
		{pb.OrderKind_ORDER_KIND_DELETE, pb.Outcome_OUTCOME_NONE_BELOW, PointDeleteDone},
		{pb.OrderKind_ORDER_KIND_DELETE, pb.Outcome_OUTCOME_KEPT, PointKept},
		{pb.OrderKind_ORDER_KIND_VERIFY, pb.Outcome_OUTCOME_HELD, PointVerifyHeld},
		{pb.OrderKind_ORDER_KIND_VERIFY, pb.Outcome_OUTCOME_LOST, PointVerifyLost},
	}
	for _, p := range points {
		if p.kind == k && p.outcome == o {
			c.Points[p.point]++
		}
	}
}
