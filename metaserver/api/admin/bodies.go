package admin

import (
	"encoding/json"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Paths of the admin port. Hello, backup and the last four take GET, the others POST.
const (
	PathHello        = "/v1/admin/hello"
	PathJoin         = "/v1/admin/join"
	PathAnnounce     = "/v1/admin/announce"
	PathTransfer     = "/v1/admin/transfer"
	PathSnapshot     = "/v1/admin/snapshot"
	PathRecount      = "/v1/admin/recount"
	PathRemoveMember = "/v1/admin/remove-member"
	PathGeneration   = "/v1/admin/start-generation"
	PathBackup       = "/v1/admin/backup"
	PathHealth       = "/healthz"
	PathReady        = "/readyz"
	PathMetrics      = "/metrics"
	PathProfiles     = "/debug/pprof/"
)

// MaxBody bounds the body of an admin request, in bytes.
const MaxBody = 64 << 10

// Hello is a member's word about itself and its group.
type Hello struct {
	Cluster protocol.ID `json:"cluster"`
	// Server is the answering member's id.
	Server string `json:"server"`
	// Leader and LeaderAdmin are the leader's id and admin address, empty while
	// they are not known.
	Leader      string `json:"leader"`
	LeaderAdmin string `json:"leader_admin"`
}

// Member is a metaserver and how it is reached.
type Member struct {
	// ID is drawn once per data folder and never used again after a removal.
	ID            string `json:"id"`
	ClientAddress string `json:"client_address"`
	RaftAddress   string `json:"raft_address"`
	AdminAddress  string `json:"admin_address"`
	// FeatureLevel is the highest level that the member's build understands.
	FeatureLevel uint32 `json:"feature_level"`
}

// RemoveMember names the metaserver to remove.
type RemoveMember struct {
	ID string `json:"id"`
}

// StartGeneration asks for a new generation of versions.
type StartGeneration struct {
	// Generation to start; 0: one above the highest that was met.
	Generation uint32 `json:"generation"`
	// IfMet, where given, is the highest that the operator knows to have been met: it
	// is refused as changed if another one is.
	IfMet *uint32 `json:"if_met,omitempty"`
}

// Generation answers StartGeneration.
type Generation struct {
	By string `json:"by"`
	// Generation is the one that was started, Met the highest met before it.
	Generation uint32 `json:"generation"`
	Met        uint32 `json:"met"`
}

// Done answers a verb that has nothing more to say.
type Done struct {
	// By is the id of the member that did it.
	By string `json:"by"`
}

// Recount compares the counters that apply keeps with a count of every row.
type Recount struct {
	By string `json:"by"`
	// Drift tells that the two differ.
	Drift bool `json:"drift"`
	// Broken is the first broken invariant, empty if all hold.
	Broken    string          `json:"broken"`
	Kept      json.RawMessage `json:"kept"`
	Recounted json.RawMessage `json:"recounted"`
}

// problem is the body of an error, as on the client port (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Kind   string `json:"kind"`
	Detail string `json:"detail,omitempty"`
	Leader string `json:"leader,omitempty"`
}
