package replica

import (
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Leadership says whether this replica leads, and since which term. Leader is
// true only once an entry of the term's own has been applied here, so that the
// applied state is at least as new as everything acknowledged in earlier terms.
type Leadership struct {
	Leader bool
	Term   uint64
}

// Member is one member of the Raft group.
type Member struct {
	ID          string
	RaftAddress string
	// Voter is false while the member only follows.
	Voter bool
}

// Status is what a replica knows about itself and its group, at one moment or
// nearly so.
type Status struct {
	ID          string
	Cluster     protocol.ID
	RaftAddress string
	// Leadership is this replica's own.
	Leadership Leadership
	// LeaderID and LeaderAddress name the leader that this replica follows or is;
	// empty while none is known.
	LeaderID, LeaderAddress string
	Term                    uint64
	// AppliedIndex is the last entry handed to the state, FirstLog and LastLog
	// bound the log, CommitIndex is what a majority is known to have.
	AppliedIndex, CommitIndex, FirstLog, LastLog uint64
	// Version is the state's last version here.
	Version protocol.Version
	Members []Member
	// Snapshot is the newest snapshot on disk; zero if there is none.
	Snapshot SnapshotStatus
	// Connections is how many the raft port has accepted and holds.
	Connections int
	// Entries and Commands count what this member has proposed: commands divided
	// by entries is the mean batch.
	Entries, Commands uint64
	// Fatal is why the replica has stopped answering; empty while it works.
	Fatal string
}

// SnapshotStatus describes one snapshot.
type SnapshotStatus struct {
	Index, Term uint64
	// Size is the length of its stream in bytes.
	Size int64
	// Taken is the wall clock's reading, for people.
	Taken time.Time
}
