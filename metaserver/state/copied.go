package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkCopied(q *pb.ClaimsRequest) error {
	_, err := checkBlocks(q.Blocks, q.Claims, 1)
	return err
}

// copied counts believed claims on live and unreferenced blocks
// (reclamation.md, Copied). Any other claim is as if not said.
func (a *applier) copied(q *pb.ClaimsRequest) *record.Result {
	groups, err := a.mentions(q.Blocks, q.Claims)
	if err != nil {
		return a.refuseWith(err)
	}
	a.readMentions(groups)
	var counted uint32
	changed := false
	for i := range groups {
		believed, raised := a.countCopies(&groups[i].draft, groups[i].claims)
		if raised && !a.keep(&groups[i].draft) {
			continue
		}
		counted += believed
		changed = changed || raised
	}
	if a.raiseAcks(q.Claims) || changed {
		a.next()
	}
	version := toPB(a.version())
	return &record.Result{Version: version, Body: &record.Result_Copied{Copied: &pb.ClaimsAnswer{Counted: counted, Version: version}}}
}

// countCopies returns how many claims were believed and whether any raised what
// the record counts.
func (a *applier) countCopies(d *draft, claims []heldClaim) (believed uint32, raised bool) {
	if d.row.Phase != record.Block_LIVE && d.row.Phase != record.Block_UNREFERENCED {
		return 0, false
	}
	floor := floorOf(a.cluster, d.row)
	for _, c := range claims {
		if c.version.Less(floor) && a.m.holds(FloorOnCopied) || !a.countsAnywhere(d, c.node) {
			continue
		}
		var changed bool
		d.row.Copies, changed = raiseHeld(d.row.Copies, c.node, c.version)
		believed++
		raised = raised || changed
	}
	return believed, raised
}

// countsAnywhere: a copy counts where it is, wanted there or not (reclamation.md,
// Stray). Else the only bytes could be on a node that the layout has left, for
// ever neither used nor dropped.
func (a *applier) countsAnywhere(d *draft, node uint32) bool {
	return a.m.holds(StrayCounted) || slices.Contains(a.placing().Wanted(d.hash, d.row), node)
}
