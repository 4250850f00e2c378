package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func checkMoveSettled(q *record.MoveSettled) error { return checkHashes(q.Hashes, 1) }

// moveSettled judges marked records anew that nothing else changes: the placement
// may have come back to where their copies are. One that is in line loses its mark.
func (a *applier) moveSettled(q *record.MoveSettled) *record.Result {
	var e effect
	for i := range len(q.Hashes) / protocol.HashSize {
		d := a.open(hashAt(q.Hashes, i))
		e.count(d.row.Moving != 0 && a.markOf(&d, false) != d.row.Moving && a.keep(&d))
	}
	return a.ended(e, e.applied > 0)
}
