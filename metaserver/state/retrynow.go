package state

import (
	"math"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func checkRetryNow(q *record.RetryNow) error {
	if len(q.Hash) > 0 && len(q.Hash) != protocol.HashSize {
		return protocol.Errorf(protocol.InvalidArgument, "a hash has %d bytes, not %d", protocol.HashSize, len(q.Hash))
	}
	if q.Class == 0 && len(q.Hash) > 0 {
		return nil
	}
	if len(q.Hash) == 0 && (q.Limit < 1 || q.Limit > MaxBatch) {
		return protocol.Errorf(protocol.InvalidArgument, "1 to %d rows are made due at once, not %d", MaxBatch, q.Limit)
	}
	return checkClass(q.Class)
}

// retryNow makes postponed work due at once, for an operator: that about one
// block, of one class or of all; or the first rows of a class, by lane and due
// time. How often it failed stays. An unreferenced block's grace is over then.
func (a *applier) retryNow(q *record.RetryNow) *record.Result {
	var e effect
	for _, w := range a.postponed(q) {
		row := &record.Work{Attempts: w.Attempts, Cause: w.Cause, Detail: w.Detail}
		e.count(a.moveWork(w, 0, row))
	}
	return a.ended(e, e.applied > 0)
}

// postponed lists the rows that the command means and that are not due at once.
func (a *applier) postponed(q *record.RetryNow) (rows []DueWork) {
	if len(q.Hash) > 0 {
		about, err := WorkAbout(a, protocol.Hash(q.Hash))
		a.fail(err)
		for _, w := range about {
			if w.DueUnixMs != 0 && (q.Class == 0 || w.Class == q.Class) {
				rows = append(rows, w)
			}
		}
		return rows
	}
	lanes, err := Lanes(a, q.Class)
	a.fail(err)
	for _, lane := range lanes {
		later, err := Due(a, q.Class, lane, math.MaxInt64, behindReady(), int(q.Limit)-len(rows))
		a.fail(err)
		rows = append(rows, later...)
	}
	return rows
}

// behindReady is the place behind all rows that are due at once.
func behindReady() (p Place) {
	for i := range p.Hash {
		p.Hash[i] = 0xff
	}
	return p
}
