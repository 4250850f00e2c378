package state

// What the tests of package state_test plant rows with.
var (
	KeyBlock    = keyBlock
	KeyObject   = keyObject
	KeyCluster  = keyCluster
	KeyNode     = keyNode
	KeyIdentity = keyIdentity
	KeyJob      = keyJob
	KeyTrash    = keyTrash
	KeySweep    = keySweep
)

// KeyWork and KeyWorkDue are the keys of one row of the schedule index.
func KeyWork(class, lane uint32, due int64, hash []byte) []byte {
	return keyWork(work{class, lane}, due, hash)
}

func KeyWorkDue(class, lane uint32, hash []byte) []byte {
	return keyWorkDue(work{class, lane}, hash)
}

// TableSessions begins the keys of the sessions' rows.
const TableSessions = tableSessions
