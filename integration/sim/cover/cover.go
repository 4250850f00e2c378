// Package cover counts what a campaign of the simulation has seen, so that one
// which does not come across a rule of the state machine at all is not taken for
// a proof of it: every point has to have happened.
package cover

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
	Stored Point = iota
	ReferencedAgain
	Unreferenced
	RevivedUnreferenced
	Condemned
	RevivedCondemned
	RevivedWithDrops
	Reaped
	ReapedForStrays
	Dropped
	DropAcknowledged
	DeletedAcknowledged
	Kept
	KeptCounted
	Copied
	Lost
	ClaimsRefused
	Registered
	Restarted
	Suspect
	InventoryTaken
	Removed
	RemoveRefused
	Cleaned
	Generation
	SessionOpened
	SessionClosed
	SessionExpired
	Repeated
	Uploaded
	UploadElsewhere
	UploadAborted
	UnreferenceStale
	Postponed
	Retried
	Stray
	CopyHeld
	DeleteDone
	VerifyHeld
	VerifyLost
	OrderRefused
	Trashed
	Undeleted
	UndeletedReplacing
	TrashEmptied
	TrashStale
	PrefixBegun
	PrefixEnded
	PrefixKept
	PrefixDone
	PrefixStale
	PrefixCanceled
	LayoutChanged
	LayoutStale
	Rebalanced
	Weighed
	Zoned
	ZoneRegistered
	DrainBegun
	DrainRefused
	DrainedRefused
	DrainFinished
	DrainCanceled
	DrainRestored
	WentDown
	WentAway
	CameBack
	CameUp
	Maintained
	MaintenanceRefused
	MaintenanceEnded
	StateStale
	SweepStepped
	SweepStale
	SweepSuperseded
	SweepCanceled
	SweepDone
	Marked
	MoveCopied
	MoveDropped
	MarkSettled
	BucketAsks
	RedundancyRose
	RedundancyFell
	QuorumOfFew
	LevelsShared
	end
)

var names = [end]string{
	"Commit: no row to live", "Commit: live again", "Unreference: to unreferenced", "Commit: unreferenced to live", "Condemn", "Commit: condemned to live",
	"Commit: revival keeps drops", "Reap: a row", "Reap: W alone", "Drop", "Deleted: a drop", "Deleted: a condemnation", "Deleted: kept", "Deleted: kept, counted",
	"Copied", "Lost", "Commit: refused", "Register: a new node", "Register: a new start", "Register: rolled back, suspect", "InventoryTaken", "Remove",
	"Remove: refused", "CleanNode: finished", "Generation", "OpenSession", "CloseSession", "CloseSession: expired", "a sequence asked again", "Commit: an upload",
	"Commit: another bucket's upload", "AbortUpload", "Unreference: stale cursor", "Postpone", "RetryNow", "Stray", "order: copy held", "order: delete done", "order: verify held", "order: verify lost",
	"order: refused", "Delete: to the trash", "Undelete", "Undelete: in place of another", "EmptyTrash", "EmptyTrash: stale",
	"DeletePrefix", "DeletePrefix: a step ends", "DeletePrefix: a step keeps", "DeletePrefix: done", "DeletePrefix: stale step", "DeletePrefix: canceled",
	"ChangeLayout", "ChangeLayout: stale", "ChangeLayout: rebalance", "ChangeLayout: weight", "ChangeLayout: zone", "Register: another zone",
	"ChangeLayout: drain", "ChangeLayout: drain refused", "Node: drained refused", "Node: drained", "ChangeLayout: drain canceled", "ChangeLayout: old table again",
	"Node: down", "Node: away", "Node: away no more", "Node: up", "Node: maintenance", "Node: maintenance refused", "Node: maintenance ends", "Node: state stale",
	"Sweep: a step", "Sweep: stale step", "Sweep: superseded", "Sweep: canceled", "Sweep: done", "Sweep: a block marked", "Move: copied", "Move: dropped", "Move: settled",
	"PutBucket: a redundancy", "Commit: R rises", "Unreference: R falls", "Commit: fewer copies than Q", "Commit: several redundancies",
}

// String names the point.
func (p Point) String() string {
	if p >= 0 && p < end {
		return names[p]
	}
	return fmt.Sprintf("point %d", int(p))
}

// Cover counts what happened.
type Cover struct {
	Points [end]int
	Orders [8]int
}

// Add adds another run's.
func (c *Cover) Add(o Cover) {
	for i := range c.Points {
		c.Points[i] += o.Points[i]
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
	return out
}

// String is a table.
func (c *Cover) String() string {
	var b strings.Builder
	for i, n := range c.Points {
		fmt.Fprintf(&b, "  %-32s %9d\n", Point(i), n)
	}
	return b.String()
}

func (c *Cover) count(p Point, happened bool) {
	if happened {
		c.Points[p]++
	}
}

// Transition counts what became of a row with one entry.
func (c *Cover) Transition(before, after *record.Block) {
	from, to := before.GetPhase(), after.GetPhase()
	c.count(Stored, from == record.Block_NONE && to == record.Block_LIVE)
	c.count(ReferencedAgain, from == record.Block_LIVE && to == record.Block_LIVE && after.Refs > before.Refs)
	c.count(Unreferenced, from == record.Block_LIVE && to == record.Block_UNREFERENCED)
	c.count(RevivedUnreferenced, from == record.Block_UNREFERENCED && to == record.Block_LIVE)
	c.count(Condemned, from == record.Block_UNREFERENCED && to == record.Block_CONDEMNED)
	c.count(RevivedCondemned, from == record.Block_CONDEMNED && to == record.Block_LIVE)
	c.count(RevivedWithDrops, from == record.Block_CONDEMNED && len(after.GetDrops()) > 0)
	c.count(Reaped, from == record.Block_CONDEMNED && after == nil)
	c.count(Dropped, from == record.Block_LIVE && to == record.Block_LIVE && len(after.Drops) > len(before.Drops))
	c.count(DropAcknowledged, len(before.GetDrops()) > len(after.GetDrops()) && from == to)
	c.count(Marked, before.GetMoving() == 0 && after.GetMoving() > 0)
	moves := before.GetMoving() > 0 && from == to
	c.count(MoveCopied, moves && len(after.GetCopies()) > len(before.GetCopies()))
	c.count(MoveDropped, moves && len(after.GetDrops()) > len(before.GetDrops()))
	c.count(DeletedAcknowledged, from == record.Block_CONDEMNED && to == from && len(after.Pending) < len(before.Pending))
}

// Redundancy counts what an entry did to what a live block's references ask for:
// its R before and after; quorum is the cluster's.
func (c *Cover) Redundancy(before, after *record.Block, was, is, quorum uint32) {
	if after.GetPhase() != record.Block_LIVE {
		return
	}
	gained := after.Refs > before.GetRefs()
	own := uint64(0)
	for _, l := range after.Levels {
		own += l.Refs
	}
	live := before.GetPhase() == record.Block_LIVE
	c.count(RedundancyRose, live && gained && is > was)
	c.count(RedundancyFell, live && is < was)
	c.count(QuorumOfFew, gained && len(after.Copies) < int(quorum))
	c.count(LevelsShared, gained && (len(after.Levels) > 1 || own > 0 && own < after.Refs))
}

// Nodes counts what became of the nodes.
func (c *Cover) Nodes(before, after []*record.Node) {
	for i, n := range after {
		if i >= len(before) {
			c.Points[Registered]++
			continue
		}
		b := before[i]
		if n.Incarnation > b.Incarnation {
			c.Points[Restarted]++
			if n.InventoryDue != nil && b.InventoryDue == nil {
				c.Points[Suspect]++
			}
		}
		if b.InventoryDue != nil && n.InventoryDue == nil && n.State != pb.NodeState_NODE_STATE_REMOVED {
			c.Points[InventoryTaken]++
		}
		if n.Cleaned && !b.Cleaned {
			c.Points[Cleaned]++
		}
		if n.RegisteredZone != b.RegisteredZone {
			c.Points[ZoneRegistered]++
		}
		if b.Away && !n.Away && n.State == pb.NodeState_NODE_STATE_UP {
			c.Points[CameBack]++
		}
	}
}

// Command counts what a command came to.
func (c *Cover) Command(cmd *record.Command, r *record.Result) {
	ok := r.Kind == 0
	switch b := cmd.Body.(type) {
	case *record.Command_Commit:
		c.count(ClaimsRefused, protocol.Kind(r.Kind) == protocol.ClaimsRefused)
		c.count(Uploaded, ok && len(b.Commit.Upload) > 0)
	case *record.Command_PutBucket:
		c.count(BucketAsks, ok && b.PutBucket.Redundancy > 0)
	case *record.Command_Delete:
		c.count(Trashed, r.GetDelete().GetTrashDueUnixMs() > 0)
	case *record.Command_Undelete:
		c.count(Undeleted, ok)
		c.count(UndeletedReplacing, r.GetUndelete().GetReplaced())
	case *record.Command_EmptyTrash:
		c.count(TrashEmptied, r.GetEmptyTrash().GetApplied() > 0)
		c.count(TrashStale, r.GetEmptyTrash().GetIgnored() > 0)
	case *record.Command_AbortUpload:
		c.count(UploadAborted, ok)
	case *record.Command_OpenSession:
		c.count(SessionOpened, ok)
	case *record.Command_CloseSession:
		c.count(SessionExpired, ok && b.CloseSession.Expire)
		c.count(SessionClosed, ok && !b.CloseSession.Expire)
	case *record.Command_Copied:
		c.count(Copied, r.GetCopied().GetCounted() > 0)
	case *record.Command_Lost:
		c.count(Lost, ok)
	case *record.Command_RemoveNode:
		c.count(Removed, ok)
		c.count(RemoveRefused, !ok)
	case *record.Command_StartGeneration:
		c.count(Generation, ok)
	case *record.Command_Postpone:
		c.count(Postponed, ok)
	case *record.Command_RetryNow:
		c.count(Retried, ok)
	case *record.Command_Reap:
		c.count(ReapedForStrays, ok && len(b.Reap.Hashes) == 0)
	case *record.Command_Unreference:
		c.count(UnreferenceStale, r.GetUnreference().GetStale() > 0)
	case *record.Command_DeletePrefix:
		c.count(PrefixBegun, ok)
	case *record.Command_DeletePrefixStep:
		step := r.GetPrefixStep()
		c.count(PrefixEnded, step.GetEnded() > 0)
		c.count(PrefixKept, step.GetKept() > 0)
		c.count(PrefixDone, step.GetDone())
		c.count(PrefixStale, step.GetStale())
	case *record.Command_CancelPrefixJob:
		c.count(PrefixCanceled, ok)
	case *record.Command_ChangeLayout:
		c.layout(b.ChangeLayout, r)
	case *record.Command_SetNodeState:
		c.state(b.SetNodeState, r)
	case *record.Command_SweepStep:
		c.count(SweepStepped, r.GetEffect().GetIgnored() == 0)
		c.count(SweepStale, r.GetEffect().GetIgnored() > 0)
	case *record.Command_MoveSettled:
		c.count(MarkSettled, r.GetEffect().GetApplied() > 0)
	case *record.Command_Deleted:
		for _, i := range b.Deleted.Items {
			c.count(KeptCounted, i.Kept != nil)
		}
	}
}

// layout counts what a change of layout came to.
func (c *Cover) layout(q *record.ChangeLayout, r *record.Result) {
	stale := protocol.Kind(r.Kind) == protocol.Changed
	if r.Kind == 0 {
		c.Points[LayoutChanged]++
	}
	if stale {
		c.Points[LayoutStale]++
	}
	if r.Kind == 0 && len(q.Changes) == 0 {
		c.Points[Rebalanced]++
	}
	points := map[pb.NodeChange_Kind]Point{
		pb.NodeChange_WEIGHT: Weighed, pb.NodeChange_ZONE: Zoned, pb.NodeChange_DRAIN: DrainBegun, pb.NodeChange_CANCEL_DRAIN: DrainCanceled,
	}
	for _, change := range q.Changes {
		point, counted := points[change.Kind]
		switch {
		case counted && r.Kind == 0:
			c.Points[point]++
		case change.Kind == pb.NodeChange_DRAIN && !stale:
			c.Points[DrainRefused]++
		}
	}
}

// state counts what a change of a node's state came to.
func (c *Cover) state(q *record.SetNodeState, r *record.Result) {
	refused := protocol.Kind(r.Kind) == protocol.PreconditionFailed || protocol.Kind(r.Kind) == protocol.Unavailable
	point := StateStale
	switch ok := r.Kind == 0; {
	case ok && q.Away:
		point = WentAway
	case ok && q.State == pb.NodeState_NODE_STATE_DOWN:
		point = WentDown
	case ok && q.State == pb.NodeState_NODE_STATE_DRAINED:
		point = DrainFinished
	case refused && q.State == pb.NodeState_NODE_STATE_DRAINED:
		point = DrainedRefused
	case ok && q.State == pb.NodeState_NODE_STATE_MAINTENANCE:
		point = Maintained
	case refused && q.State == pb.NodeState_NODE_STATE_MAINTENANCE:
		point = MaintenanceRefused
	case ok && q.IfState == pb.NodeState_NODE_STATE_MAINTENANCE:
		point = MaintenanceEnded
	case ok:
		point = CameUp
	case protocol.Kind(r.Kind) != protocol.Changed:
		return
	}
	c.Points[point]++
}

// Sweep counts what became of a sweep.
func (c *Cover) Sweep(s record.Sweep_State) {
	switch s {
	case record.Sweep_SUPERSEDED:
		c.Points[SweepSuperseded]++
	case record.Sweep_CANCELED:
		c.Points[SweepCanceled]++
	case record.Sweep_DONE:
		c.Points[SweepDone]++
	}
}

// Order counts an order.
func (c *Cover) Order(k pb.OrderKind) { c.Orders[k]++ }

// Outcome counts what nodes answer.
func (c *Cover) Outcome(k pb.OrderKind, o pb.Outcome) {
	points := []struct {
		kind    pb.OrderKind
		outcome pb.Outcome
		point   Point
	}{
		{pb.OrderKind_ORDER_KIND_COPY, pb.Outcome_OUTCOME_HELD, CopyHeld},
		{pb.OrderKind_ORDER_KIND_DELETE, pb.Outcome_OUTCOME_NONE_BELOW, DeleteDone},
		{pb.OrderKind_ORDER_KIND_DELETE, pb.Outcome_OUTCOME_KEPT, Kept},
		{pb.OrderKind_ORDER_KIND_VERIFY, pb.Outcome_OUTCOME_HELD, VerifyHeld},
		{pb.OrderKind_ORDER_KIND_VERIFY, pb.Outcome_OUTCOME_LOST, VerifyLost},
	}
	for _, p := range points {
		if p.kind == k && p.outcome == o {
			c.Points[p.point]++
		}
	}
}
