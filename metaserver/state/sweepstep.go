package state

import (
	"bytes"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

func checkSweepStep(q *record.SweepStep) error { return checkStep(q.Cursor, q.Count) }

// sweepStep looks at the next records of the running sweep in hash order, and
// marks those that are not in line with the placement: the schedule has them then.
// A step whose sweep or cursor is not the running one's was done before.
func (a *applier) sweepStep(q *record.SweepStep) *record.Result {
	s := a.m.sweep
	if s == nil || q.Sweep != a.cluster.LastSweep || s.Walked || !bytes.Equal(q.Cursor, s.Cursor) {
		return a.ended(effect{ignored: 1}, false)
	}
	var e effect
	last, more := a.walk(s.Cursor, func(d *draft) bool {
		before := d.row.Moving
		if after := a.markOf(d, true); after != before {
			d.swept = true
			if e.applied == q.Count || !a.keep(d) {
				return false
			}
			e.applied++
			if before == 0 {
				s.BlocksMarked++
				s.BytesMarked += uint64(d.row.StoredSize)
			}
		}
		s.BlocksSeen++
		return true
	})
	s.Cursor, s.Walked = last, !more
	if s.Walked {
		s.Cursor = nil
	}
	a.storeSweep()
	return a.ended(e, true)
}
