package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// cancelSweep stops the running sweep. Blocks that it has marked are still moved;
// those that it has not come to stay where they are, until another sweep.
func (a *applier) cancelSweep(q *record.CancelSweep) *record.Result {
	if q.Sweep == 0 || q.Sweep > a.cluster.LastSweep {
		return a.refuse(protocol.NotFound, "there is no sweep %d", q.Sweep)
	}
	if a.m.sweep == nil || q.Sweep < a.cluster.LastSweep {
		return a.refuse(protocol.PreconditionFailed, "sweep %d has ended already", q.Sweep)
	}
	a.next()
	a.endSweep(record.Sweep_CANCELED)
	return a.done()
}
