package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
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
	var reaped []byte
	for i := range len(q.Hashes) / protocol.HashSize {
		d := a.open(hashAt(q.Hashes, i))
		gone := d.row.Phase == record.Block_CONDEMNED && !upto.Less(fromPB(d.row.Floor)) && !slices.ContainsFunc(d.row.Pending, a.member)
		if gone {
			*d.row = record.Block{}
		}
		if e.count(gone && a.keep(&d)) {
			reaped = append(reaped, d.hash...)
		}
	}
	r := a.ended(e, rose || e.applied > 0)
	if e.applied > 0 {
		a.audit(&pb.AuditRow{Kind: pb.AuditKind_AUDIT_KIND_REAP, Hashes: reaped, Upto: toPB(upto)})
	}
	return r
}

func (a *applier) raiseWatermark(upto protocol.Version) (rose bool) {
	present := fromPB(a.cluster.Watermark)
	if !a.m.holds(WatermarkRaised) || present == upto || a.m.holds(WatermarkMax) && upto.Less(present) {
		return false
	}
	a.cluster.Watermark = toPB(upto)
	return true
}
