package state

import (
	"fmt"
	"slices"
)

// Rule names one check that the safety of reclamation rests on, so that a test
// can show what happens without it: see [OpenWithout].
type Rule uint8

// The load-bearing checks (reclamation.md, Why each rule).
const (
	// QuorumOnLive: a commit on a live or unreferenced block needs Q trusted copies.
	QuorumOnLive Rule = iota + 1
	// Membership: whatever names a node that is not a member is as if not said.
	Membership
	// LostNamesVersion: Lost takes out the copy counted at just that version.
	LostNamesVersion
	// LostRaisesFloor: an acknowledgement from before a loss is not believed after.
	LostRaisesFloor
	// FloorOnLive: a commit on a live or unreferenced block believes u >= floor.
	FloorOnLive
	// FloorOnCondemned: a commit on a condemned block believes u >= t.
	FloorOnCondemned
	// FloorOnCopied: Copied and "kept" count claims with u >= floor.
	FloorOnCopied
	// FloorNoRow: where there is no row, claims with u >= W are believed.
	FloorNoRow
	// WatermarkRaised: Reap raises W, with the first row or before.
	WatermarkRaised
	// WatermarkMax: W never falls.
	WatermarkMax
	// RowFloorIsWatermark: a new row's floor is W.
	RowFloorIsWatermark
	// ReviveKeepsT: a revived block's drops keep the condemnation's own t.
	ReviveKeepsT
	// DropGuard: Drop leaves R trusted copies on wanted nodes.
	DropGuard
	// UnreferenceCursor: a step applies only at the job's cursor.
	UnreferenceCursor
	// KeptClearsPending: the answer "kept" acknowledges a delete order.
	KeptClearsPending
	// RegisterIncarnation: claims of an earlier incarnation are not believed.
	RegisterIncarnation
	// RegisterCounts: a disk that shows less than was applied was rolled back.
	RegisterCounts
	// DistinctNodes: a quorum counts a node once.
	DistinctNodes
	// GenerationFloor: a new generation believes no claim of before it.
	GenerationFloor
	// StrayCounted: a believed claim counts on any member, wanted there or not.
	StrayCounted
	// RemoveAtOnce: a node is no member from the entry that removes it on.
	RemoveAtOnce
	// RemoveGuard: Remove leaves Q trusted copies of every referenced block.
	RemoveGuard
	// SuspectUntrusted: a suspect copy is not trusted.
	SuspectUntrusted
	// DropRaisesFloor: the floor of a block becomes the t of its drop's order.
	DropRaisesFloor
	// ExactlyOnce: a sequence of a session runs at most once.
	ExactlyOnce
	// SessionOpening: a call runs only under the very opening of its session that it
	// names.
	SessionOpening
	// DropTargets: Drop counts copies on the target set only, and so none on a node
	// that is away.
	DropTargets
	// DrainedGuard: a node is drained when no copy is counted on it and it owes no
	// delete.
	DrainedGuard
	// MaintenanceGuard: a node stops by an operator's word only if no other one has,
	// and if every referenced block keeps Q trusted copies.
	MaintenanceGuard
	// AwayMarked: what is stored on a node that is away is marked to be moved.
	AwayMarked
	// SurplusMarked: a block that comes to have more copies than its redundancy asks
	// for is marked.
	SurplusMarked
	// QuorumOfHighest: a commit waits for the quorum of the highest redundancy that any
	// reference of the block asks for.
	QuorumOfHighest
	// DropByHighest: Drop leaves as many copies as the highest redundancy asks for.
	DropByHighest
	// ObjectKeepsRedundancy: what an object's references ask for is what its bucket
	// asked for when they came.
	ObjectKeepsRedundancy
	// PrefixUpto: a delete of a prefix leaves what was written after it began.
	PrefixUpto
	// TrashKeepsReferences: an object in the trash is no job's.
	TrashKeepsReferences

	ruleEnd
)

var ruleNames = [ruleEnd]string{
	QuorumOnLive: "QuorumOnLive", Membership: "Membership", LostNamesVersion: "LostNamesVersion", LostRaisesFloor: "LostRaisesFloor",
	FloorOnLive: "FloorOnLive", FloorOnCondemned: "FloorOnCondemned", FloorOnCopied: "FloorOnCopied", FloorNoRow: "FloorNoRow",
	WatermarkRaised: "WatermarkRaised", WatermarkMax: "WatermarkMax", RowFloorIsWatermark: "RowFloorIsWatermark", ReviveKeepsT: "ReviveKeepsT",
	DropGuard: "DropGuard", UnreferenceCursor: "UnreferenceCursor", KeptClearsPending: "KeptClearsPending",
	RegisterIncarnation: "RegisterIncarnation", RegisterCounts: "RegisterCounts", DistinctNodes: "DistinctNodes",
	GenerationFloor: "GenerationFloor", StrayCounted: "StrayCounted", RemoveAtOnce: "RemoveAtOnce", RemoveGuard: "RemoveGuard",
	SuspectUntrusted: "SuspectUntrusted", DropRaisesFloor: "DropRaisesFloor", ExactlyOnce: "ExactlyOnce", SessionOpening: "SessionOpening",
	DropTargets: "DropTargets", DrainedGuard: "DrainedGuard", MaintenanceGuard: "MaintenanceGuard", AwayMarked: "AwayMarked", SurplusMarked: "SurplusMarked",
	QuorumOfHighest: "QuorumOfHighest", DropByHighest: "DropByHighest", ObjectKeepsRedundancy: "ObjectKeepsRedundancy",
	PrefixUpto: "PrefixUpto", TrashKeepsReferences: "TrashKeepsReferences",
}

// String returns the rule's name.
func (r Rule) String() string {
	if r > 0 && r < ruleEnd {
		return ruleNames[r]
	}
	return fmt.Sprintf("Rule(%d)", uint8(r))
}

// Rules lists every rule that OpenWithout can leave out.
func Rules() []Rule {
	rules := make([]Rule, 0, ruleEnd-1)
	for r := Rule(1); r < ruleEnd; r++ {
		rules = append(rules, r)
	}
	return rules
}

// OpenWithout is Open for the mutation tests of integration/sim, and for nothing
// else: the machine leaves the named rules out, so it loses data. What it applies
// is not what other replicas apply, and Check may find its rows broken.
func OpenWithout(t Table, rules ...Rule) (*Machine, error) {
	m, err := Open(t)
	if err != nil {
		return nil, err
	}
	m.without = slices.Clone(rules)
	return m, nil
}

// holds tells whether a rule is in force: always, but for OpenWithout.
func (m *Machine) holds(r Rule) bool {
	return len(m.without) == 0 || !slices.Contains(m.without, r)
}
