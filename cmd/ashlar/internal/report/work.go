package report

import (
	"encoding/hex"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Explanation is what `ashlar explain -o json` prints.
type Explanation struct {
	Hash string `json:"hash"`
	// Phase is "none", "live", "unreferenced" or "condemned".
	Phase      string `json:"phase"`
	References uint64 `json:"references"`
	// Redundancy is the copies that it is to have. ReferencesByRedundancy[r] counts
	// the references that ask for r, [0] those that ask for the cluster's; it is
	// empty if all do.
	Redundancy             uint32   `json:"redundancy"`
	ReferencesByRedundancy []uint64 `json:"references_by_redundancy,omitempty"`

	Floor      string `json:"floor"`
	PlainSize  uint32 `json:"plain_size"`
	StoredSize uint32 `json:"stored_size"`
	Copies     []Copy `json:"copies"`
	// Drops are surplus copies to be deleted below their version.
	Drops []Copy `json:"drops"`
	// Pending nodes have not acknowledged the deletion.
	Pending []uint32 `json:"pending"`
	Wanted  []uint32 `json:"wanted"`
	Holders []Holder `json:"holders"`
	// HoldersCut: not every row was looked at, or not every holder is listed.
	HoldersCut  bool   `json:"holders_cut"`
	RowsScanned uint64 `json:"rows_scanned"`
	Work        []Work `json:"work"`
	// InFlight are nodes with an order about it under way, SilentNodes those that
	// do not answer.
	InFlight    []uint32 `json:"in_flight"`
	SilentNodes []uint32 `json:"silent_nodes"`
	WaitsFor    string   `json:"waits_for"`
	Version     string   `json:"version"`
}

// Copy is one node's, at the version counted or dropped.
type Copy struct {
	Node    uint32 `json:"node"`
	Version string `json:"version"`
	Trusted bool   `json:"trusted"`
}

// Holder refers to a block. Kind is "object", "upload" or "ended object".
type Holder struct {
	Kind       string `json:"kind"`
	Bucket     string `json:"bucket,omitempty"`
	Name       string `json:"name,omitempty"`
	Version    string `json:"version,omitempty"`
	References uint64 `json:"references"`
}

// Work is one row of the schedule.
type Work struct {
	Class    string `json:"class"`
	Lane     uint32 `json:"lane"`
	Hash     string `json:"hash"`
	Attempts uint32 `json:"attempts"`
	// Cause is the kind of the last failure, empty without one.
	Cause     string `json:"cause,omitempty"`
	Detail    string `json:"detail,omitempty"`
	DueUnixMs int64  `json:"due_unix_ms"`
}

// Waiting is work of one lane that waits for one thing.
type Waiting struct {
	Class   string `json:"class"`
	Lane    uint32 `json:"lane"`
	Count   uint32 `json:"count"`
	AtLeast bool   `json:"at_least"`
	Why     string `json:"why"`
}

// Plan is what `ashlar gc plan -o json` prints.
type Plan struct {
	Steps         []string  `json:"steps"`
	MoreSteps     uint32    `json:"more_steps"`
	Waiting       []Waiting `json:"waiting"`
	NextDueUnixMs int64     `json:"next_due_unix_ms"`
}

// WorkSettings are those of background work.
type WorkSettings struct {
	Paused             []string `json:"paused"`
	TranquilityPercent uint32   `json:"tranquility_percent"`
	GraceMs            uint64   `json:"grace_ms"`
	OrdersPerNode      uint32   `json:"orders_per_node"`
	// AuditKeepRows is how many rows of the audit are kept, at most.
	AuditKeepRows uint32 `json:"audit_keep_rows"`
	// A node that is silent for DownAfterMs is down; after AwayAfterMs its copies
	// are made again elsewhere. AutoLayout adds joining nodes to the layout.
	DownAfterMs uint64 `json:"down_after_ms"`
	AwayAfterMs uint64 `json:"away_after_ms"`
	AutoLayout  bool   `json:"auto_layout"`
}

// Classes are the classes of the schedule by number; the first is none. The last,
// names, is none either and can only be paused: the emptying of the trash, and deletes
// of prefixes that were begun before the metadata was put back.
var Classes = []string{"", "redundancy", "move", "delete", "condemn", "reap", "scrub", "names"}

// Class is the word for a class.
func Class(n uint32) string {
	if n > 0 && int(n) < len(Classes) {
		return Classes[n]
	}
	return fmt.Sprintf("class-%d", n)
}

// ParseClass reads a class's word; InvalidArgument for any other.
func ParseClass(word string) (uint32, error) {
	for n, c := range Classes {
		if n > 0 && c == word {
			return uint32(n), nil
		}
	}
	return 0, protocol.Errorf(protocol.InvalidArgument, "no class is called %s; there are redundancy, move, delete, condemn, reap and scrub", protocol.Quote(word))
}

// ExplanationOf turns the wire's form into ours.
func ExplanationOf(a *pb.ExplainAnswer) Explanation {
	b := a.GetBlock()
	e := Explanation{
		Hash: hex.EncodeToString(b.GetHash()), Phase: b.GetPhase(), References: b.GetReferences(), Floor: version(b.GetFloor()),
		PlainSize: b.GetPlainSize(), StoredSize: b.GetStoredSize(), Copies: copiesOf(b.GetCopies()), Drops: copiesOf(b.GetDrops()),
		Pending: b.GetPending(), Wanted: b.GetWanted(), HoldersCut: a.GetCut(), RowsScanned: a.GetRowsScanned(),
		Work: WorkOf(a.GetWork()), InFlight: a.GetInFlight(), SilentNodes: a.GetSilentNodes(), WaitsFor: a.GetWaitsFor(),
		Version: version(b.GetVersion()), Redundancy: b.GetRedundancy(), ReferencesByRedundancy: b.GetReferencesByRedundancy(),
	}
	for _, h := range a.GetHolders() {
		holder := Holder{Kind: h.GetKind(), Bucket: h.GetBucket(), Name: h.GetName(), References: h.GetReferences()}
		if h.GetVersion() != nil {
			holder.Version = version(h.GetVersion())
		}
		e.Holders = append(e.Holders, holder)
	}
	return e
}

func copiesOf(list []*pb.BlockCopy) []Copy {
	var out []Copy
	for _, c := range list {
		out = append(out, Copy{Node: c.GetNode(), Version: version(c.GetVersion()), Trusted: c.GetTrusted()})
	}
	return out
}

// WorkOf turns rows of the wire's form into ours.
func WorkOf(rows []*pb.WorkRow) []Work {
	out := make([]Work, 0, len(rows))
	for _, r := range rows {
		w := Work{
			Class: Class(r.GetClass()), Lane: r.GetLane(), Hash: hex.EncodeToString(r.GetHash()), Attempts: r.GetAttempts(),
			Detail: r.GetDetail(), DueUnixMs: r.GetDueUnixMs(),
		}
		if r.GetCause() != 0 {
			w.Cause = protocol.Kind(r.GetCause()).String()
		}
		out = append(out, w)
	}
	return out
}

// PlanOf turns the wire's form into ours.
func PlanOf(a *pb.WorkPlanAnswer) Plan {
	p := Plan{Steps: a.GetSteps(), MoreSteps: a.GetMore(), NextDueUnixMs: a.GetNextDueUnixMs(), Waiting: []Waiting{}}
	for _, w := range a.GetWaiting() {
		p.Waiting = append(p.Waiting, Waiting{Class: Class(w.GetClass()), Lane: w.GetLane(), Count: w.GetCount(), AtLeast: w.GetAtLeast(), Why: w.GetWhy()})
	}
	return p
}

// WorkSettingsOf turns the wire's form into ours.
func WorkSettingsOf(s *pb.WorkSettings) WorkSettings {
	return WorkSettings{
		Paused: pausedOf(s.GetPausedClasses()), TranquilityPercent: s.GetTranquilityPercent(), GraceMs: s.GetGraceMs(), OrdersPerNode: s.GetOrdersPerNode(),
		AuditKeepRows: s.GetAuditKeepRows(),
		DownAfterMs:   s.GetDownAfterMs(), AwayAfterMs: s.GetAwayAfterMs(), AutoLayout: s.GetAutoLayout(),
	}
}

// pausedOf is the words for a set of classes.
func pausedOf(classes uint32) []string {
	out := []string{}
	for n, class := range Classes {
		if n > 0 && classes>>n&1 == 1 {
			out = append(out, class)
		}
	}
	return out
}
