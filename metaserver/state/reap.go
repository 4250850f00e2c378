package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func checkReap(q *record.Reap) error { return checkHashes(q.Hashes, 0) }

// reap forgets condemned blocks that no member has pending, and raises W, below
// which no claim on a block without a row is believed (reclamation.md, Reap). W
// is raised before the first row goes. No hash need be named: W alone lets strays
// go.
func (a *applier) reap(q *record.Reap) *record.Result {
	upto := fromPB(q.Upto)
	if a.version().Less(upto) {
		return a.refuse(protocol.PreconditionFailed, "W may rise to the present version %s, not to %s", a.version(), upto)
	}
	rose := a.raiseWatermark(upto)
	var e effect
	for i := range len(q.Hashes) / protocol.HashSize {
		d := a.open(hashAt(q.Hashes, i))
		gone := d.row.Phase == record.Block_CONDEMNED && !upto.Less(fromPB(d.row.Floor)) && !slices.ContainsFunc(d.row.Pending, a.member)
		if gone {
			*d.row = record.Block{}
		}
		e.count(gone && a.keep(&d))
	}
	return a.ended(e, rose || e.applied > 0)
}

func (a *applier) raiseWatermark(upto protocol.Version) (rose bool) {
	present := fromPB(a.cluster.Watermark)
	if !a.m.holds(WatermarkRaised) || present == upto || a.m.holds(WatermarkMax) && upto.Less(present) {
		return false
	}
	a.cluster.Watermark = toPB(upto)
	return true
}
