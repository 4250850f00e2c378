package state

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// The schedule index is derived: a block record implies its rows (worksOf), and
// draft.go, through which every record changes, keeps them. What a row adds is
// how often its work failed and when to try again.

// workKeySize is the length of a key of the schedule index.
const workKeySize = 1 + 1 + 4 + 8 + protocol.HashSize

// work is one row that a block record implies.
type work struct{ class, lane uint32 }

func (w work) less(o work) bool { return w.class < o.class || w.class == o.class && w.lane < o.lane }

// thresholdsFor are the present ones, or those of before where a change of them
// has not been carried through yet (reindex.go).
func thresholdsFor(c *record.Cluster, hash []byte) thresholds {
	if c.Indexed != nil && bytes.Compare(hash, c.ReindexCursor) > 0 {
		return thresholds{c.Indexed.Redundancy, c.Indexed.Quorum}
	}
	return settingsOf(c)
}

// worksOf appends what a record implies, by class and lane. A live block with all
// its copies, that no sweep has found out of line, implies nothing. Limits are the
// block's own.
func worksOf(b *record.Block, limits thresholds, out []work) []work {
	switch b.Phase {
	case record.Block_LIVE:
		if limits.lacks(b) {
			out = append(out, work{ClassRedundancy, uint32(len(b.Copies))})
		}
		if b.Moving > 0 {
			out = append(out, work{ClassMove, b.Moving - 1})
		}
		out = deletesOf(b.Drops, out)
	case record.Block_UNREFERENCED:
		out = append(deletesOf(b.Drops, out), work{ClassCondemn, 0})
	case record.Block_CONDEMNED:
		for _, node := range b.Pending {
			out = append(out, work{ClassDelete, node})
		}
		if len(b.Pending) == 0 {
			out = append(out, work{ClassReap, 0})
		}
	}
	return out
}

func deletesOf(drops []*record.Held, out []work) []work {
	for _, d := range drops {
		out = append(out, work{ClassDelete, d.Node})
	}
	return out
}

// firstDue is when new work is to be tried: an unreferenced block when its grace
// ends, by the proposer's clock; all else at once.
func (a *applier) firstDue(class uint32) int64 {
	if class != ClassCondemn {
		return 0
	}
	now, grace := max(a.nowUnixMs, 0), a.cluster.Settings.GraceMs
	if grace > uint64(math.MaxInt64-now) {
		return math.MaxInt64
	}
	return now + int64(grace)
}

// schedule puts a row; value is the encoded record.Work.
func (a *applier) schedule(hash []byte, w dueRow, value []byte) {
	a.put(keyWork(w.work, w.due, hash), value)
	if w.due != 0 {
		a.put(keyWorkDue(w.work, hash), binary.BigEndian.AppendUint64(nil, uint64(w.due)))
	}
}

func (a *applier) unschedule(hash []byte, w dueRow) {
	a.delete(keyWork(w.work, w.due, hash))
	if w.due != 0 {
		a.delete(keyWorkDue(w.work, hash))
	}
}

// rowsOfWorkAt counts the rows of one piece of work.
func rowsOfWorkAt(due int64) int {
	if due == 0 {
		return 1
	}
	return 2
}

// dueOf is the due time of a row, if there is one.
func dueOf(r Reader, w work, hash []byte) (int64, error) {
	key := keyWorkDue(w, hash)
	value, ok, err := r.Get(key)
	if err != nil || !ok {
		return 0, err
	}
	if len(value) != 8 {
		return 0, protocol.Errorf(protocol.Corrupt, "the row at key %x is damaged", key)
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}

// decodeWork reads a row of the index.
func decodeWork(key, value []byte) (DueWork, error) {
	row := &record.Work{}
	if len(key) != workKeySize {
		return DueWork{}, protocol.Errorf(protocol.Corrupt, "the key %x of the schedule is damaged", key)
	}
	if len(value) > 0 {
		if err := decode(key, value, row); err != nil {
			return DueWork{}, err
		}
	}
	return DueWork{
		Class: uint32(key[1]), Lane: binary.BigEndian.Uint32(key[2:]), Hash: protocol.Hash(key[14:]),
		Attempts: row.Attempts, Cause: row.Cause, Detail: row.Detail, DueUnixMs: int64(binary.BigEndian.Uint64(key[6:])),
	}, nil
}
