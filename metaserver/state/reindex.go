package state

import (
	"bytes"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// What is derived from block records depends on R and Q. When settings change
// them, records up to a cursor are brought in line, in steps: until then the
// records above it stand by the settings of before.

func checkReindex(q *record.Reindex) error { return checkStep(q.Cursor, q.Count) }

// startReindex begins with a first step, which is all of it in a small cluster.
func (a *applier) startReindex(before *record.Settings) {
	a.cluster.Indexed = &record.Settings{Redundancy: before.Redundancy, Quorum: before.Quorum}
	a.cluster.ReindexCursor = nil
	a.reindexStep(MaxBatch)
}

// reindex takes the next step. A step whose cursor is no longer the cluster's was
// done before.
func (a *applier) reindex(q *record.Reindex) *record.Result {
	if a.cluster.Indexed == nil || !bytes.Equal(q.Cursor, a.cluster.ReindexCursor) {
		return a.ended(effect{ignored: 1}, false)
	}
	return a.ended(effect{applied: a.reindexStep(q.Count)}, true)
}

func (a *applier) reindexStep(count uint32) (changed uint32) {
	present := settingsOf(a.cluster)
	last, more := a.walk(a.cluster.ReindexCursor, func(d *draft) bool {
		c := a.changeTo(d, footprintOf(d.row, present.of(d.row)))
		if sameDerived(d.before, c.after) {
			return true
		}
		if changed == count || !a.room(c.rows()+a.nodesOf(c.nodes(d))) {
			return false
		}
		a.rederive(d, c)
		changed++
		return true
	})
	a.cluster.ReindexCursor = last
	if !more {
		a.cluster.Indexed, a.cluster.ReindexCursor = nil, nil
	}
	return changed
}

// sameDerived compares what depends on the settings.
func sameDerived(x, y footprint) bool {
	return slices.Equal(x.works, y.works) && x.critical == y.critical
}
