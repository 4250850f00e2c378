package schedule

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Observation is what one leader sees at one moment. None of it is replicated,
// and no decision is safe or unsafe because of it.
type Observation struct {
	// NowUnixMs is the leader's wall clock: it decides when to try.
	NowUnixMs int64
	// Chance is drawn anew for each observation; jitter comes from it.
	Chance uint64
	// Generation and Term stamp the orders; Generation is the state's.
	Generation uint32
	Term       uint64
	// SessionsSettled: the low-water marks of open sessions can be relied on, so
	// that Reap may be proposed (reclamation.md, Lag of W). They are rows, so a
	// dispatcher always says so; a leader that does not only reaps later.
	SessionsSettled bool
	// Nodes are the known blockservers, sorted by ID.
	Nodes []Node
	// InFlight are the copies that an order was sent about which has not shown its
	// effect, sorted by SortRefs.
	InFlight []Ref
	// StrayAbove is the highest version of a file that waits for W to pass it; zero:
	// none is known.
	StrayAbove protocol.Version
	// YoungFrom: a block with a quorum of copies, one of them at this version or
	// above, may just be being written, and is left to its writer for a while; zero:
	// none is.
	YoungFrom protocol.Version
	// Cursors are those of the plan before; none for a new leader.
	Cursors []Cursor
	Limits  Limits
}

// Node is one blockserver as the leader sees it.
type Node struct {
	ID protocol.NodeID
	// Incarnation is the one that the log knows; orders name it.
	Incarnation protocol.Incarnation
	// Address is where it serves, for its orders and as a source for others.
	Address string
	// Reachable: it answers.
	Reachable bool
	// Full: it takes no more blocks, by its own word.
	Full bool
	// FreeSlots is how many orders it takes now.
	FreeSlots int
}

// Ref names one node's copy of one block.
type Ref struct {
	Hash protocol.Hash
	Node protocol.NodeID
}

// Compare orders refs by hash, then node.
func (r Ref) Compare(o Ref) int {
	if c := bytes.Compare(r.Hash[:], o.Hash[:]); c != 0 {
		return c
	}
	return cmp.Compare(r.Node, o.Node)
}

// SortRefs sorts refs as Observation.InFlight wants them, in place.
func SortRefs(refs []Ref) { slices.SortFunc(refs, Ref.Compare) }

// Cursor is where a lane's scan goes on, after a plan in which it looked at as
// many rows as it may and could not act on them.
type Cursor struct {
	Class, Lane uint32
	// After is the last row looked at.
	After state.Place
}

// Limits bound one plan. Zero fields take the defaults.
type Limits struct {
	// Scan bounds the rows of one lane that are looked at, beside those in flight.
	Scan int
	// Batch bounds the items of one command, Commands the commands of one class.
	Batch, Commands int
	// OrdersPerNode bounds one node's orders where the settings say nothing.
	OrdersPerNode int
	// Count bounds how far waiting work is counted: "at least so many".
	Count int
	// Marked is how many blocks may be marked to be moved before a sweep waits for
	// those of them that go on.
	Marked int
}

// Defaults of Limits.
const (
	DefaultScan          = 1024
	DefaultBatch         = 200
	DefaultCommands      = 4
	DefaultOrdersPerNode = 128
	DefaultCount         = 1
	DefaultMarked        = 10_000
	// MaxOrdersPerNode bounds what the settings may allow.
	MaxOrdersPerNode = 256
	// maxReasons bounds the entries of Plan.Waiting.
	maxReasons = 256
)

func (l Limits) withDefaults() Limits {
	l.Scan = cmp.Or(l.Scan, DefaultScan)
	l.Batch = cmp.Or(l.Batch, DefaultBatch)
	l.Commands = cmp.Or(l.Commands, DefaultCommands)
	l.OrdersPerNode = cmp.Or(l.OrdersPerNode, DefaultOrdersPerNode)
	l.Count = cmp.Or(l.Count, DefaultCount)
	l.Marked = cmp.Or(l.Marked, DefaultMarked)
	return l
}

// node finds a node by its number; nil if it is unknown.
func (o *Observation) node(id uint32) *Node {
	at, found := slices.BinarySearchFunc(o.Nodes, protocol.NodeID(id), func(n Node, id protocol.NodeID) int { return cmp.Compare(n.ID, id) })
	if !found {
		return nil
	}
	return &o.Nodes[at]
}

// inFlight tells whether an order for node's copy of h is under way.
func (o *Observation) inFlight(h protocol.Hash, node uint32) bool {
	_, found := slices.BinarySearchFunc(o.InFlight, Ref{h, protocol.NodeID(node)}, Ref.Compare)
	return found
}

// cursor is where a lane's scan begins.
func (o *Observation) cursor(class, lane uint32) (from state.Place) {
	for _, c := range o.Cursors {
		if c.Class == class && c.Lane == lane {
			return c.After
		}
	}
	return from
}
