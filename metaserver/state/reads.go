package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Validate checks the form and limits of a command without any state: what it
// refuses, Apply refuses in the same way. The error is a *protocol.Error.
func Validate(c *record.Command) error { return nil }

// Rows bounds the rows that applying c touches, so that a batcher can keep an
// entry within protocol.MaxEntryRows; Apply answers Busy to commands beyond it.
func Rows(c *record.Command) int { return 1 }

// Lookup answers with an object and at most one page of the blocks wanted.
func Lookup(r Reader, q *pb.LookupRequest) (*pb.LookupAnswer, error) { return nil, errNotBuilt }

// List answers with one page of objects and common prefixes.
func List(r Reader, q *pb.ListRequest) (*pb.ListAnswer, error) { return nil, errNotBuilt }

// Prepare tells which hashes need no upload.
func Prepare(r Reader, q *pb.PrepareRequest) (*pb.PrepareAnswer, error) { return nil, errNotBuilt }

// Layout answers with the partition table and the nodes.
func Layout(r Reader) (*pb.Layout, error) { return nil, errNotBuilt }

// BlockInfo answers with one block record.
func BlockInfo(r Reader, q *pb.BlockInfoRequest) (*pb.BlockInfoAnswer, error) {
	return nil, errNotBuilt
}

// Status answers with what the state knows of the cluster.
func Status(r Reader) (*pb.ClusterStatus, error) { return nil, errNotBuilt }

// UnreferenceWork is a job as the dispatcher needs it: what a
// record.UnreferenceStep is made of.
type UnreferenceWork struct {
	// Job names the job: the version that ended its object.
	Job protocol.Version
	// Cursor counts the references already taken back, Left those to go.
	Cursor, Left uint64
}

// Jobs returns the first limit jobs, oldest first.
func Jobs(r Reader, limit int) ([]UnreferenceWork, error) { return nil, errNotBuilt }

// SessionInfo is an open session as the leader needs it to expire idle ones.
type SessionInfo struct {
	Session protocol.ID
	// Highest is the highest sequence executed: an expiry carries it.
	Highest, LowestUnacked uint64
	// RenewedUnixMs is a proposer's clock at the last request, for people.
	RenewedUnixMs int64
}

// Sessions returns up to limit open sessions with ids above after.
func Sessions(r Reader, after protocol.ID, limit int) ([]SessionInfo, error) {
	return nil, errNotBuilt
}

// MetaMembers returns the metaservers that the log knows, by id.
func MetaMembers(r Reader) ([]*record.MetaMember, error) { return nil, errNotBuilt }

// ClusterRow returns the cluster's row; an empty one before the first entry.
func ClusterRow(r Reader) (*record.Cluster, error) { return nil, errNotBuilt }

// Recount counts every row anew: what the counters kept by apply must equal.
func Recount(r Reader) (*pb.Counters, error) { return nil, errNotBuilt }

// Check runs every invariant over r and returns the first that is broken, by
// name. It reads the whole table.
func Check(r Reader) error { return nil }
