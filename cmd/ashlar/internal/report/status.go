// Package report holds the documents that the command prints with -o json where
// they are not the SDK's own types: the field names here are a promise to
// scripts.
//
// Invariant: a field keeps its name and unit for ever; new ones may be added.
// Sizes are bytes, versions are GENERATION.COUNTER, ids are hexadecimal digits.
package report

import (
	"encoding/hex"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Status is what `ashlar status -o json` prints.
type Status struct {
	Cluster      string `json:"cluster"`
	Version      string `json:"version"`
	AppliedIndex uint64 `json:"applied_index"`
	Term         uint64 `json:"term"`
	Watermark    string `json:"watermark"`
	Redundancy   uint32 `json:"redundancy"`
	Quorum       uint32 `json:"quorum"`
	FeatureLevel uint32 `json:"feature_level"`
	// Digest is the running digest of applied effects.
	Digest     string `json:"digest"`
	AnsweredBy string `json:"answered_by"`
	// NotServing tells why the metadata serves nothing, and what to do.
	NotServing string `json:"not_serving,omitempty"`
	// Paused are the classes of background work that are.
	Paused       []string      `json:"paused"`
	Counters     Counters      `json:"counters"`
	Metaservers  []Metaserver  `json:"metaservers"`
	Blockservers []Blockserver `json:"blockservers"`
	// Jobs are those that run; none without a leader.
	Jobs []Job `json:"jobs"`
}

// Counters counts what the cluster keeps.
type Counters struct {
	Objects uint64 `json:"objects"`
	// LogicalBytes is the sum of all objects' sizes.
	LogicalBytes uint64 `json:"logical_bytes"`
	// StoredBytes is what live blocks take, compressed, one copy each.
	StoredBytes uint64 `json:"stored_bytes"`
	// PlainBytes is StoredBytes before compression.
	PlainBytes uint64 `json:"plain_bytes"`
	// InlineBytes is what lives in metadata.
	InlineBytes             uint64 `json:"inline_bytes"`
	LiveBlocks              uint64 `json:"live_blocks"`
	References              uint64 `json:"references"`
	CountedCopies           uint64 `json:"counted_copies"`
	CopiesStoredBytes       uint64 `json:"copies_stored_bytes"`
	UnreferencedBlocks      uint64 `json:"unreferenced_blocks"`
	UnreferencedStoredBytes uint64 `json:"unreferenced_stored_bytes"`
	CondemnedBlocks         uint64 `json:"condemned_blocks"`
	CondemnedStoredBytes    uint64 `json:"condemned_stored_bytes"`
	UnderReplicatedBlocks   uint64 `json:"under_replicated_blocks"`
	Sessions                uint64 `json:"sessions"`
	Uploads                 uint64 `json:"uploads"`
	UnreferenceJobs         uint64 `json:"unreference_jobs"`
	UnreferenceLeft         uint64 `json:"unreference_left"`
	// TrashObjects are deleted and overwritten objects that buckets keep,
	// TrashLogicalBytes the sum of their sizes, TrashInlineBytes what of them lives
	// in metadata. Their blocks are live.
	TrashObjects      uint64 `json:"trash_objects"`
	TrashLogicalBytes uint64 `json:"trash_logical_bytes"`
	TrashInlineBytes  uint64 `json:"trash_inline_bytes"`
	// PrefixJobs are deletes of prefixes that run.
	PrefixJobs uint64 `json:"prefix_jobs"`
	AuditRows  uint64 `json:"audit_rows"`
	AuditBytes uint64 `json:"audit_bytes"`
	// MovingBlocks do not stand where the layout has them.
	MovingBlocks      uint64 `json:"moving_blocks"`
	MovingStoredBytes uint64 `json:"moving_stored_bytes"`
	// ReferencesByRedundancy[r] counts the references that ask for r copies, [0]
	// those that ask for the cluster's.
	ReferencesByRedundancy []uint64 `json:"references_by_redundancy"`
}

// Metaserver is one member of the Raft group.
type Metaserver struct {
	ID            string `json:"id"`
	ClientAddress string `json:"client_address"`
	RaftAddress   string `json:"raft_address"`
	AdminAddress  string `json:"admin_address"`
	// Role is "leader", "voter" or "joining".
	Role string `json:"role"`
}

// Blockserver is one node.
type Blockserver struct {
	Node    uint32 `json:"node"`
	Address string `json:"address"`
	Zone    string `json:"zone"`
	// State is "joining", "up", "down" and so on.
	State string `json:"state"`
	// Reachable is what the leader sees at this moment.
	Reachable     bool   `json:"reachable"`
	Suspect       bool   `json:"suspect"`
	CapacityBytes uint64 `json:"capacity_bytes"`
	UsedBytes     uint64 `json:"used_bytes"`
	Incarnation   uint64 `json:"incarnation"`
	// CommittedBytes is what the log counts on it; FreeBytes and Full are what the
	// leader observes, as UsedBytes is.
	CommittedBytes uint64 `json:"committed_bytes"`
	FreeBytes      uint64 `json:"free_bytes"`
	Full           bool   `json:"full"`
	// Away: its copies are made again elsewhere.
	Away bool `json:"away"`
}

// Led tells whether the leader answered; what is observed of blockservers is
// known to nobody else.
func (s *Status) Led() bool {
	for _, m := range s.Metaservers {
		if m.Role == "leader" {
			return m.ID == s.AnsweredBy
		}
	}
	return false
}

// AddNodes completes the blockservers with what is told of nodes.
func (s *Status) AddNodes(nodes []Node) {
	for _, n := range nodes {
		for i := range s.Blockservers {
			if b := &s.Blockservers[i]; b.Node == n.Node {
				b.CommittedBytes, b.FreeBytes, b.Full, b.Away = n.CommittedBytes, n.FreeBytes, n.Full, n.Away
			}
		}
	}
}

// Words is a blockserver's state with what qualifies it.
func (b *Blockserver) Words() string {
	switch {
	case b.Away:
		return b.State + " (away)"
	case b.Full:
		return b.State + " (full)"
	case b.Suspect:
		return b.State + " (suspect)"
	}
	return b.State
}

// StatusOf turns the wire's form into ours.
func StatusOf(s *pb.ClusterStatus) Status {
	out := Status{
		Cluster: hex.EncodeToString(s.GetCluster()), Version: version(s.GetVersion()), AppliedIndex: s.GetAppliedIndex(),
		Term: s.GetTerm(), Watermark: version(s.GetWatermark()), Redundancy: s.GetRedundancy(), Quorum: s.GetQuorum(),
		FeatureLevel: s.GetFeatureLevel(), Digest: hex.EncodeToString(s.GetDigest()), AnsweredBy: s.GetAnsweredBy(), NotServing: s.GetNotServing(),
		Paused:   pausedOf(s.GetPausedClasses()),
		Counters: countersOf(s.GetCounters()),
	}
	for _, m := range s.GetMembers() {
		out.Metaservers = append(out.Metaservers, Metaserver{
			ID: m.GetId(), ClientAddress: m.GetClientAddress(), RaftAddress: m.GetRaftAddress(),
			AdminAddress: m.GetAdminAddress(), Role: role(m),
		})
	}
	for _, n := range s.GetNodes() {
		out.Blockservers = append(out.Blockservers, Blockserver{
			Node: n.GetNode(), Address: n.GetAddress(), Zone: n.GetZone(), State: state(n.GetState()),
			Reachable: n.GetReachable(), Suspect: n.GetSuspect(), CapacityBytes: n.GetCapacityBytes(),
			UsedBytes: n.GetUsedBytes(), Incarnation: n.GetIncarnation(),
		})
	}
	return out
}

func countersOf(n *pb.Counters) Counters {
	return Counters{
		Objects: n.GetObjects(), LogicalBytes: n.GetLogicalBytes(), StoredBytes: n.GetLiveStoredBytes(),
		PlainBytes: n.GetLivePlainBytes(), InlineBytes: n.GetInlineBytes(), LiveBlocks: n.GetLiveBlocks(),
		References: n.GetReferences(), CountedCopies: n.GetCountedCopies(), CopiesStoredBytes: n.GetCopiesStoredBytes(),
		UnreferencedBlocks: n.GetUnreferencedBlocks(), UnreferencedStoredBytes: n.GetUnreferencedStoredBytes(),
		CondemnedBlocks: n.GetCondemnedBlocks(), CondemnedStoredBytes: n.GetCondemnedStoredBytes(),
		UnderReplicatedBlocks: n.GetUnderReplicatedBlocks(), Sessions: n.GetSessions(), Uploads: n.GetUploads(),
		TrashObjects: n.GetTrashObjects(), TrashLogicalBytes: n.GetTrashLogicalBytes(), TrashInlineBytes: n.GetTrashInlineBytes(),
		UnreferenceJobs: n.GetUnreferenceJobs(), UnreferenceLeft: n.GetUnreferenceLeft(),
		PrefixJobs: n.GetPrefixJobs(), AuditRows: n.GetAuditRows(), AuditBytes: n.GetAuditBytes(),
		MovingBlocks: n.GetMovingBlocks(), MovingStoredBytes: n.GetMovingStoredBytes(),
		ReferencesByRedundancy: append([]uint64{}, n.GetReferencesByRedundancy()...),
	}
}

func version(v *pb.Version) string {
	return protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}.String()
}

func role(m *pb.MetaMember) string {
	switch {
	case m.GetLeader():
		return "leader"
	case m.GetVoter():
		return "voter"
	}
	return "joining"
}

func state(s pb.NodeState) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "NODE_STATE_"))
}
