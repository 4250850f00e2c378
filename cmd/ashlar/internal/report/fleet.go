package report

import (
	"encoding/hex"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Node is what `ashlar node list` and `ashlar node show` print of a node.
type Node struct {
	Node    uint32 `json:"node"`
	Address string `json:"address"`
	Zone    string `json:"zone"`
	// State is "joining", "up", "down", "maintenance", "draining", "drained" or
	// "removed"; Away says that its copies are made again elsewhere.
	State            string `json:"state"`
	StateSinceUnixMs int64  `json:"state_since_unix_ms"`
	Away             bool   `json:"away"`
	Suspect          bool   `json:"suspect"`
	Incarnation      uint64 `json:"incarnation"`
	// Weight is as set; 0: by capacity. Places are its wanted ones of all.
	Weight        uint64 `json:"weight"`
	Places        uint32 `json:"places"`
	CapacityBytes uint64 `json:"capacity_bytes"`
	// Copies and CommittedBytes are what the log counts on the node.
	Copies         uint64 `json:"copies"`
	CommittedBytes uint64 `json:"committed_bytes"`
	OwedDeletes    uint64 `json:"owed_deletes"`
	CriticalBlocks uint64 `json:"critical_blocks"`
	// Answers, UsedBytes, FreeBytes and Full are what the leader observes.
	Answers   bool   `json:"answers"`
	UsedBytes uint64 `json:"used_bytes"`
	FreeBytes uint64 `json:"free_bytes"`
	Full      bool   `json:"full"`
	// LeftBlocks and LeftBytes are still to be moved off it.
	LeftBlocks uint64 `json:"left_blocks"`
	LeftBytes  uint64 `json:"left_bytes"`
	WaitsFor   string `json:"waits_for,omitempty"`
}

// NodesOf turns the wire's form into ours.
func NodesOf(list []*pb.NodeInfo) []Node {
	out := make([]Node, 0, len(list))
	for _, i := range list {
		n := i.GetNode()
		out = append(out, Node{
			Node: n.GetNode(), Address: n.GetAddress(), Zone: n.GetZone(), State: state(n.GetState()), StateSinceUnixMs: i.GetStateSinceUnixMs(),
			Away: i.GetAway(), Suspect: n.GetSuspect(), Incarnation: n.GetIncarnation(), Weight: i.GetWeight(), Places: i.GetPlaces(),
			CapacityBytes: n.GetCapacityBytes(), Copies: i.GetCopies(), CommittedBytes: i.GetCopiesStoredBytes(), OwedDeletes: i.GetOwedDeletes(),
			CriticalBlocks: i.GetCriticalBlocks(), Answers: n.GetReachable(), UsedBytes: i.GetObservedUsedBytes(), FreeBytes: i.GetObservedFreeBytes(),
			Full: i.GetFull(), LeftBlocks: i.GetLeftBlocks(), LeftBytes: i.GetLeftBytes(), WaitsFor: i.GetWaitsFor(),
		})
	}
	return out
}

// Stop is what `ashlar node may-stop` prints.
type Stop struct {
	Node           uint32   `json:"node"`
	MayStop        bool     `json:"may_stop"`
	Why            string   `json:"why,omitempty"`
	CriticalBlocks uint64   `json:"critical_blocks"`
	Critical       []string `json:"critical"`
}

// StopOf turns the wire's form into ours.
func StopOf(node uint32, a *pb.NodeStopAnswer) Stop {
	s := Stop{Node: node, MayStop: a.GetMayStop(), Why: a.GetWhy(), CriticalBlocks: a.GetCriticalBlocks(), Critical: []string{}}
	for packed := a.GetCritical(); len(packed) >= protocol.HashSize; packed = packed[protocol.HashSize:] {
		s.Critical = append(s.Critical, hex.EncodeToString(packed[:protocol.HashSize]))
	}
	return s
}

// Change is one part of a change of layout; Kind is "add", "drain",
// "cancel-drain", "weight" or "zone".
type Change struct {
	Node   uint32 `json:"node"`
	Kind   string `json:"kind"`
	Weight uint64 `json:"weight,omitempty"`
	Zone   string `json:"zone,omitempty"`
}

var changeKinds = map[pb.NodeChange_Kind]string{
	pb.NodeChange_ADD: "add", pb.NodeChange_DRAIN: "drain", pb.NodeChange_CANCEL_DRAIN: "cancel-drain", pb.NodeChange_WEIGHT: "weight", pb.NodeChange_ZONE: "zone",
}

func changesOf(list []*pb.NodeChange) []Change {
	out := make([]Change, 0, len(list))
	for _, c := range list {
		out = append(out, Change{Node: c.GetNode(), Kind: changeKinds[c.GetKind()], Weight: c.GetWeight(), Zone: c.GetZone()})
	}
	return out
}

// LayoutPlan is what `ashlar layout plan` prints.
type LayoutPlan struct {
	LayoutVersion uint64   `json:"layout_version"`
	TableDigest   string   `json:"table_digest"`
	Changes       []Change `json:"changes"`
	Shares        []Share  `json:"shares"`
	MovedPlaces   uint32   `json:"moved_places"`
	LeastPlaces   uint32   `json:"least_places"`
	MovedBlocks   uint64   `json:"moved_blocks"`
	MovedBytes    uint64   `json:"moved_bytes"`
	Redundancy    uint32   `json:"redundancy"`
	Zones         uint32   `json:"zones"`
	Risks         []string `json:"risks"`
}

// Share is one node before and after a change of layout.
type Share struct {
	Node          uint32 `json:"node"`
	Zone          string `json:"zone"`
	CapacityBytes uint64 `json:"capacity_bytes"`
	PlacesBefore  uint32 `json:"places_before"`
	PlacesAfter   uint32 `json:"places_after"`
	BytesBefore   uint64 `json:"bytes_before"`
	BytesAfter    uint64 `json:"bytes_after"`
}

// LayoutPlanOf turns the wire's form into ours.
func LayoutPlanOf(a *pb.LayoutPlanAnswer) LayoutPlan {
	p := LayoutPlan{
		LayoutVersion: a.GetLayoutVersion(), TableDigest: hex.EncodeToString(a.GetTableDigest()), Changes: changesOf(a.GetChanges()), Shares: []Share{},
		MovedPlaces: a.GetMovedPlaces(), LeastPlaces: a.GetLeastPlaces(), MovedBlocks: a.GetMovedBlocks(), MovedBytes: a.GetMovedBytes(),
		Redundancy: a.GetRedundancy(), Zones: a.GetZones(), Risks: append([]string{}, a.GetRisks()...),
	}
	for _, s := range a.GetShares() {
		p.Shares = append(p.Shares, Share{
			Node: s.GetNode(), Zone: s.GetZone(), CapacityBytes: s.GetCapacityBytes(), PlacesBefore: s.GetPlacesBefore(), PlacesAfter: s.GetPlacesAfter(),
			BytesBefore: s.GetBytesBefore(), BytesAfter: s.GetBytesAfter(),
		})
	}
	return p
}

// Layout is one of `ashlar layout history`. State is "current", "moving" or
// "retired".
type Layout struct {
	LayoutVersion uint64   `json:"layout_version"`
	State         string   `json:"state"`
	Reason        string   `json:"reason"`
	Changes       []Change `json:"changes"`
	AppliedUnixMs int64    `json:"applied_unix_ms"`
	Applied       string   `json:"applied"`
	Retired       string   `json:"retired,omitempty"`
}

// LayoutsOf turns the wire's form into ours.
func LayoutsOf(list []*pb.LayoutEvent) []Layout {
	out := make([]Layout, 0, len(list))
	for _, e := range list {
		l := Layout{
			LayoutVersion: e.GetLayoutVersion(), State: e.GetState(), Reason: e.GetReason(), Changes: changesOf(e.GetChanges()),
			AppliedUnixMs: e.GetAppliedUnixMs(), Applied: version(e.GetApplied()),
		}
		if e.GetRetired() != nil {
			l.Retired = version(e.GetRetired())
		}
		out = append(out, l)
	}
	return out
}

// Job is what `ashlar job list` and `ashlar job show` print of a job.
type Job struct {
	ID string `json:"id"`
	// Kind is "layout", "rebuild", "return", "rebalance", "drain" or "delete"; State is
	// "running", "done", "canceled" or "superseded".
	Kind          string `json:"kind"`
	State         string `json:"state"`
	About         string `json:"about"`
	BlocksDone    uint64 `json:"blocks_done"`
	BlocksTotal   uint64 `json:"blocks_total"`
	BlocksLeft    uint64 `json:"blocks_left"`
	BytesLeft     uint64 `json:"bytes_left"`
	StartedUnixMs int64  `json:"started_unix_ms"`
	EndedUnixMs   int64  `json:"ended_unix_ms,omitempty"`
	// The speeds and the time left are measured by the leader; 0: not known.
	BlocksPerSecond uint64 `json:"blocks_per_second"`
	BytesPerSecond  uint64 `json:"bytes_per_second"`
	ETASeconds      uint64 `json:"eta_seconds"`
	WaitsFor        string `json:"waits_for,omitempty"`
}

// JobsOf turns the wire's form into ours.
func JobsOf(list []*pb.JobInfo) []Job {
	out := make([]Job, 0, len(list))
	for _, j := range list {
		out = append(out, Job{
			ID: j.GetId(), Kind: j.GetKind(), State: j.GetState(), About: j.GetAbout(), BlocksDone: j.GetBlocksDone(), BlocksTotal: j.GetBlocksTotal(),
			BlocksLeft: j.GetBlocksLeft(), BytesLeft: j.GetBytesLeft(), StartedUnixMs: j.GetStartedUnixMs(), EndedUnixMs: j.GetEndedUnixMs(),
			BlocksPerSecond: j.GetBlocksPerSecond(), BytesPerSecond: j.GetBytesPerSecond(), ETASeconds: j.GetEtaSeconds(), WaitsFor: j.GetWaitsFor(),
		})
	}
	return out
}
