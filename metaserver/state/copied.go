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
		believed, raised := a.countCopies(&groups[i])
		counted += believed
		if raised {
			a.storeMention(&groups[i])
			changed = true
		}
	}
	if a.raiseAcks(q.Claims) || changed {
		a.next()
	}
	version := toPB(a.version())
	return &record.Result{Version: version, Body: &record.Result_Copied{Copied: &pb.ClaimsAnswer{Counted: counted, Version: version}}}
}

// countCopies returns how many claims were believed and whether any raised what
// the record counts.
func (a *applier) countCopies(m *mention) (believed uint32, raised bool) {
	phases := []record.Block_Phase{record.Block_LIVE, record.Block_UNREFERENCED}
	if !slices.Contains(phases, m.row.Phase) {
		return 0, false
	}
	floor := floorOf(a.cluster, m.row)
	for _, c := range m.claims {
		if c.version.Less(floor) {
			continue
		}
		var changed bool
		m.row.Copies, changed = raiseHeld(m.row.Copies, c.node, c.version)
		believed++
		raised = raised || changed
	}
	return believed, raised
}
