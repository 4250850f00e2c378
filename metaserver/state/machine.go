package state

import (
	"errors"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Machine applies the log to a table. It is not safe for concurrent use: one
// applier owns it. Reads go to views of the table.
//
// The rows that most entries touch or ask for, the cluster's, the nodes', the
// layout's and the running sweep's, are kept decoded; the table always holds the
// same.
type Machine struct {
	table   Table
	cluster *record.Cluster
	// nodes[i] is node i+1; the log numbers nodes without gaps.
	nodes []*record.Node
	// layout is the present one, sweep the one that runs, if any does.
	layout *record.Layout
	sweep  *record.Sweep
	// failed is the first error that Apply returned: it stops the machine.
	failed error
	// canonical is scratch memory for the digest.
	canonical []byte
	// without lists the rules that a mutation test leaves out.
	without []Rule
}

// ErrDiverged says that this replica's digest at a mark is not the one compared with:
// the replicas no longer agree.
var ErrDiverged = errors.New("state: this replica's digest differs from the majority's")

// Open reads the hot rows of t, which may be empty, and returns a machine that
// continues after the entry that t has applied last.
func Open(t Table) (*Machine, error) {
	cluster, err := ClusterRow(t)
	if err != nil {
		return nil, err
	}
	nodes, err := readNodes(t)
	if err != nil {
		return nil, err
	}
	if uint32(len(nodes)) != cluster.LastNode {
		return nil, protocol.Errorf(protocol.Corrupt, "the table holds %d nodes and the cluster's row says %d", len(nodes), cluster.LastNode)
	}
	layout, err := LayoutRow(t)
	if err != nil {
		return nil, err
	}
	if c := cluster.Counters; c != nil && len(c.ReferencesByRedundancy) == 0 {
		// A table of before buckets could ask for a redundancy.
		c.ReferencesByRedundancy = newCounters().ReferencesByRedundancy
		c.ReferencesByRedundancy[0] = c.References
	}
	_, sweep, err := RunningSweep(t)
	return &Machine{table: t, cluster: cluster, nodes: nodes, layout: layout, sweep: sweep}, err
}

// readNodes returns the nodes by number; a gap is an error.
func readNodes(r Reader) ([]*record.Node, error) {
	var nodes []*record.Node
	var gap []byte
	err := scanRows(r, []byte{tableNodes}, func(key []byte, n *record.Node) bool {
		nodes = append(nodes, n)
		if string(key) != string(keyNode(uint32(len(nodes)))) {
			gap = append(gap, key...)
		}
		return gap == nil
	})
	if err == nil && gap != nil {
		err = protocol.Errorf(protocol.Corrupt, "nodes are numbered without gaps; key %x follows %d nodes", gap, len(nodes)-1)
	}
	return nodes, err
}

// Applied returns the index and term of the entry applied last, 0 and 0 before
// the first.
func (m *Machine) Applied() (index, term uint64) {
	return m.cluster.AppliedIndex, m.cluster.AppliedTerm
}

// Version returns the last version given out; zero before Bootstrap.
func (m *Machine) Version() protocol.Version { return versionOf(m.cluster) }

// Cluster returns the cluster's id; zero before Bootstrap.
func (m *Machine) Cluster() protocol.ID {
	id, err := protocol.IDFromBytes(m.cluster.Cluster)
	if err != nil {
		return protocol.ID{}
	}
	return id
}
