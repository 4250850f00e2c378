package state

import (
	"errors"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Machine applies the log to a table. It is not safe for concurrent use: one
// applier owns it. Reads go to views of the table.
type Machine struct {
	table   Table
	cluster *record.Cluster
}

var errNotBuilt = errors.New("state: not built yet")

// Open reads the hot rows of t, which may be empty, and returns a machine that
// continues after the entry that t has applied last.
func Open(t Table) (*Machine, error) {
	return &Machine{table: t, cluster: &record.Cluster{}}, nil
}

// Apply runs the commands of one log entry as one atomic batch, the applied
// index and term included, and returns a result for each. An entry at or below
// the applied index is skipped: nil, nil. An entry or command that cannot be
// understood has an error result, the same on every replica, and the index
// advances. A returned error is a failure of the table, a broken invariant or a
// digest that differs ([ErrDiverged]): nothing was written and the replica must
// stop.
func (m *Machine) Apply(index, term uint64, entry []byte) ([]*record.Result, error) {
	return nil, errNotBuilt
}

// Applied returns the index and term of the entry applied last, 0 and 0 before
// the first.
func (m *Machine) Applied() (index, term uint64) {
	return m.cluster.AppliedIndex, m.cluster.AppliedTerm
}

// Version returns the last version given out; zero before Bootstrap.
func (m *Machine) Version() protocol.Version {
	return protocol.Version{Generation: m.cluster.Generation, Counter: m.cluster.Counter}
}

// Cluster returns the cluster's id; zero before Bootstrap.
func (m *Machine) Cluster() protocol.ID {
	id, _ := protocol.IDFromBytes(m.cluster.Cluster)
	return id
}

// ErrDiverged says that this replica's digest at a mark is not the leader's: the
// replicas no longer agree.
var ErrDiverged = errors.New("state: this replica's digest differs from the leader's")
