package state

import (
	"math"
	"unicode/utf8"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// MaxWorkDetail bounds the text that is kept with failed work, in bytes.
const MaxWorkDetail = 256

func checkPostpone(q *record.Postpone) error {
	if err := checkBatch(len(q.Items)); err != nil {
		return err
	}
	for _, item := range q.Items {
		if err := checkClass(item.Class); err != nil {
			return err
		}
		if len(item.Hash) != protocol.HashSize || item.DueUnixMs < 0 {
			return protocol.Errorf(protocol.InvalidArgument, "an item has a hash and a due time that is not negative")
		}
		if len(item.Detail) > MaxWorkDetail || !utf8.ValidString(item.Detail) {
			return protocol.Errorf(protocol.InvalidArgument, "the detail of a failure is at most %d bytes of UTF-8", MaxWorkDetail)
		}
	}
	return nil
}

func checkClass(class uint32) error {
	if class == 0 || class >= classEnd {
		return protocol.Errorf(protocol.InvalidArgument, "there is no class %d of work", class)
	}
	return nil
}

// postpone takes down that work failed: when to try again, as the proposer drew
// it, and why it failed. Work that is gone, or failed once more meanwhile, is left
// as it is.
func (a *applier) postpone(q *record.Postpone) *record.Result {
	var e effect
	for _, item := range q.Items {
		e.count(a.postponeOne(item))
	}
	return a.ended(e, e.applied > 0)
}

func (a *applier) postponeOne(item *record.PostponeItem) bool {
	row, ok, err := WorkOf(a, protocol.Hash(item.Hash), item.Class, item.Lane)
	a.fail(err)
	if !ok || row.Attempts != item.IfAttempts || row.Attempts == math.MaxUint32 {
		return false
	}
	return a.moveWork(row, item.DueUnixMs, &record.Work{Attempts: row.Attempts + 1, Cause: item.Cause, Detail: item.Detail})
}

// rowsOfMove bounds the rows that another due time of one row touches.
const rowsOfMove = 3

// moveWork gives a row another due time and content, if the entry has room.
func (a *applier) moveWork(from DueWork, due int64, to *record.Work) bool {
	if !a.room(rowsOfMove) {
		return false
	}
	value, err := to.MarshalVT()
	a.fail(err)
	w := work{from.Class, from.Lane}
	a.unschedule(from.Hash[:], dueRow{w, from.DueUnixMs})
	a.schedule(from.Hash[:], dueRow{w, due}, value)
	return true
}
