package replica

import (
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// evidence is what lies in the folder at a start.
type evidence struct {
	// first and last bound the log; 0 and 0: empty.
	first, last uint64
	// snapshot is the newest one, if there is one.
	snapshot    snapshot
	hasSnapshot bool
	// applied and appliedTerm are the last entry in the state; logTerm is the
	// log's term for that entry, 0 if the log does not have it.
	applied, appliedTerm, logTerm uint64
}

// recoverBy is the step that every refusal ends with.
const recoverBy = "recovery step replace-member: remove this member from the group, empty its folder, and let it join as a new member"

func refuse(format string, args ...any) error {
	return protocol.Errorf(protocol.Corrupt, format+"; "+recoverBy, args...)
}

// judge decides how a start goes on: as it is, or with the newest snapshot first.
// It refuses where log, snapshots and state cannot be parts of one history, as
// after a folder was lost or put back from an older copy.
func judge(e evidence) (restore bool, err error) {
	covered := uint64(0)
	if e.hasSnapshot {
		covered = e.snapshot.Index
	}
	if e.last > 0 && e.first > covered+1 {
		return false, refuse("the log begins at entry %d, and no snapshot covers the entries before it (the newest ends at %d)", e.first, covered)
	}
	if end := max(e.last, covered); e.applied > end {
		return false, refuse("the state has applied entry %d, but the log ends at %d: the log was lost or is an older one", e.applied, end)
	}
	if e.hasSnapshot && e.applied < e.snapshot.StateIndex {
		return true, nil
	}
	if e.applied > covered && e.logTerm != e.appliedTerm {
		return false, refuse("the state has applied entry %d of term %d, but the log's is of term %d: they are not of one history", e.applied, e.appliedTerm, e.logTerm)
	}
	return false, nil
}
