// Package replica is the Raft group's member.
package replica

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Replica is one member of the Raft group.
type Replica struct{}

func notYet() error { return protocol.Errorf(protocol.Unavailable, "replica: being built") }

// Open starts a replica on its folder; it joins no group by itself.
func Open(cfg Config) (*Replica, error) { return nil, notYet() }

// ID is this member's id, Cluster its cluster, zero while it has none.
func (r *Replica) ID() string { return "" }

// Cluster is the cluster that this replica belongs to; zero while it has none.
func (r *Replica) Cluster() protocol.ID { return protocol.ID{} }

// Adopt makes a replica without a cluster one of cluster, durably, before a
// leader of it adds it as a member; another cluster later is WrongCluster.
func (r *Replica) Adopt(cluster protocol.ID) error { return notYet() }

// Bootstrap makes this replica the only voter of a new cluster and proposes the
// cluster's first entry. It may be repeated with the same cluster.
func (r *Replica) Bootstrap(ctx context.Context, cluster protocol.ID, settings *record.Settings) error {
	return notYet()
}

// Propose puts cmd into the log and returns what applying it answered.
func (r *Replica) Propose(ctx context.Context, cmd *record.Command) (*record.Result, error) {
	return nil, notYet()
}

// View returns a moment of the state at the level asked for.
func (r *Replica) View(ctx context.Context, level pb.Level, min protocol.Version) (state.View, error) {
	return nil, notYet()
}

// Leadership tells changes; only the newest unread one is kept. It is closed by Close.
func (r *Replica) Leadership() <-chan Leadership { return nil }

// Status tells what the replica knows now.
func (r *Replica) Status() Status { return Status{} }

// AddMember adds a member as non-voter, waits until it has caught up, and makes it a voter.
func (r *Replica) AddMember(ctx context.Context, id, raftAddress string) error { return notYet() }

// RemoveMember removes a member.
func (r *Replica) RemoveMember(ctx context.Context, id string) error { return notYet() }

// TransferLeadership hands leadership to the most up-to-date other voter.
func (r *Replica) TransferLeadership(ctx context.Context) error { return notYet() }

// Snapshot takes a snapshot now.
func (r *Replica) Snapshot() error { return notYet() }

// Close ends the replica in order.
func (r *Replica) Close(ctx context.Context) error { return notYet() }
