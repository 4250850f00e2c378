package schedule

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Plan is what is to be done now. It is data: nothing has been sent or proposed.
type Plan struct {
	// Orders go to nodes, sorted by node; ids are unique within a node's batch.
	Orders []NodeOrders
	// Commands go to the log, in this order. Who proposes them stamps them.
	Commands []*record.Command
	// Waiting is what cannot be done now, with what it waits for.
	Waiting []Waiting
	// NextDueUnixMs is when the first postponed row is due; 0: there is none.
	NextDueUnixMs int64
	// Cursors belong into the next observation.
	Cursors []Cursor
}

// NodeOrders is one node's batch.
type NodeOrders struct {
	Node    protocol.NodeID
	Address string
	Orders  []*pb.Order
}

// Waiting is work of one lane that waits for one thing.
type Waiting struct {
	Class, Lane uint32
	// Count is how much was seen to wait; at the limit (Limits.Count) it is "at
	// least".
	Count int
	// Why names the node, setting or cause.
	Why string
}

// ClassName is the word for a class of the schedule.
func ClassName(class uint32) string {
	switch class {
	case state.ClassRedundancy:
		return "redundancy"
	case state.ClassMove:
		return "move"
	case state.ClassDelete:
		return "delete"
	case state.ClassCondemn:
		return "condemn"
	case state.ClassReap:
		return "reap"
	case state.ClassScrub:
		return "scrub"
	}
	return fmt.Sprintf("class-%d", class)
}

// KindName is the word for a kind of order.
func KindName(k pb.OrderKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "ORDER_KIND_"))
}

// Empty tells whether there is nothing to carry out.
func (p Plan) Empty() bool { return len(p.Orders) == 0 && len(p.Commands) == 0 }

// Lines prints the plan for people, one thing a line: its steps, then what waits.
func (p Plan) Lines() []string {
	out := p.Steps()
	for _, w := range p.Waiting {
		out = append(out, fmt.Sprintf("%s, lane %d: %d wait: %s", ClassName(w.Class), w.Lane, w.Count, w.Why))
	}
	return out
}

// Steps prints what is to be sent and proposed, one thing a line.
func (p Plan) Steps() []string {
	var out []string
	for _, n := range p.Orders {
		for _, o := range n.Orders {
			line := fmt.Sprintf("node %s at %s: %s %x at %s", n.Node, n.Address, KindName(o.Kind), o.Hash, versionOf(o.Version))
			if len(o.Sources) > 0 {
				line += " from " + strings.Join(o.Sources, ", ")
			}
			out = append(out, line)
		}
	}
	for _, c := range p.Commands {
		out = append(out, "log: "+describe(c))
	}
	return out
}

// String is Lines in one text.
func (p Plan) String() string { return strings.Join(p.Lines(), "\n") }

// describe says what a command of a plan does.
func describe(c *record.Command) string {
	switch b := c.Body.(type) {
	case *record.Command_Condemn:
		return fmt.Sprintf("condemn %d blocks", len(b.Condemn.Hashes)/protocol.HashSize)
	case *record.Command_Reap:
		return fmt.Sprintf("reap %d blocks, W to %s", len(b.Reap.Hashes)/protocol.HashSize, versionOf(b.Reap.Upto))
	case *record.Command_CleanNode:
		return fmt.Sprintf("clean mentions of node %d", b.CleanNode.Node)
	case *record.Command_Reindex:
		return "carry changed settings through"
	case *record.Command_SweepStep:
		return fmt.Sprintf("step of sweep %d", b.SweepStep.Sweep)
	case *record.Command_MoveSettled:
		return fmt.Sprintf("judge the marks of %d blocks", len(b.MoveSettled.Hashes)/protocol.HashSize)
	case *record.Command_Drop:
		return fmt.Sprintf("drop %d surplus copies", len(b.Drop.Items))
	case *record.Command_Deleted:
		return fmt.Sprintf("%d copies are deleted", len(b.Deleted.Items))
	case *record.Command_Copied:
		return fmt.Sprintf("%d copies are held", len(b.Copied.Claims))
	case *record.Command_Lost:
		return fmt.Sprintf("%d copies are lost", len(b.Lost.Items))
	case *record.Command_Postpone:
		return fmt.Sprintf("postpone %d rows", len(b.Postpone.Items))
	}
	return fmt.Sprintf("%T", c.Body)
}

func versionOf(v *pb.Version) protocol.Version {
	return protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
}

func wire(v protocol.Version) *pb.Version {
	return &pb.Version{Generation: v.Generation, Counter: v.Counter}
}
