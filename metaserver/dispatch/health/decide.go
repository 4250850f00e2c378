package health

import (
	"cmp"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Defaults of the settings that this room goes by.
const (
	// DefaultDownAfter is how long a node is silent before it is down,
	// DefaultAwayAfter before its copies are made again elsewhere.
	DefaultDownAfter = 30 * time.Second
	DefaultAwayAfter = 10 * time.Minute
)

// Sight is what the leader has seen of one node in this leadership.
type Sight struct {
	// Answers: its last ping was answered. A node that was not asked yet neither
	// answers nor is silent.
	Answers bool
	// Silent is how long it has not answered.
	Silent time.Duration
}

// View is what a decision goes by.
type View struct {
	// Nodes[i] is node i+1.
	Nodes    []*record.Node
	Settings *record.Settings
	See      func(protocol.NodeID) Sight
}

// DownAfter and AwayAfter are the settings' times, or the defaults.
func DownAfter(s *record.Settings) time.Duration {
	return cmp.Or(time.Duration(s.GetDownAfterMs())*time.Millisecond, DefaultDownAfter)
}

// AwayAfter is DownAfter's longer sister.
func AwayAfter(s *record.Settings) time.Duration {
	return max(cmp.Or(time.Duration(s.GetAwayAfterMs())*time.Millisecond, DefaultAwayAfter), DownAfter(s))
}

// Decide returns what is to be proposed about the nodes' states, at most one
// command a node, by number.
func Decide(v View) (commands []*record.SetNodeState) {
	for i, n := range v.Nodes {
		if q := v.step(protocol.NodeID(i+1), n); q != nil {
			q.Node, q.IfState, q.IfIncarnation = uint32(i+1), n.State, n.Incarnation
			commands = append(commands, q)
		}
	}
	return commands
}

// step is the next state of one node; nil: it stays.
func (v View) step(id protocol.NodeID, n *record.Node) *record.SetNodeState {
	seen := v.See(id)
	switch n.State {
	case pb.NodeState_NODE_STATE_UP:
		if !seen.Answers && seen.Silent >= DownAfter(v.Settings) {
			return &record.SetNodeState{State: pb.NodeState_NODE_STATE_DOWN}
		}
	case pb.NodeState_NODE_STATE_DOWN:
		switch {
		case seen.Answers:
			return &record.SetNodeState{State: pb.NodeState_NODE_STATE_UP}
		case !n.Away && seen.Silent >= AwayAfter(v.Settings) && v.elsewhere(id):
			return &record.SetNodeState{State: pb.NodeState_NODE_STATE_DOWN, Away: true}
		}
	case pb.NodeState_NODE_STATE_DRAINING:
		if n.Copies == 0 && n.OwedDeletes == 0 {
			return &record.SetNodeState{State: pb.NodeState_NODE_STATE_DRAINED}
		}
	}
	return nil
}

// Joining lists the joining nodes that answer, for automatic layout, as many as one
// change may hold; none if the settings leave it to an operator.
func Joining(v View) (changes []*pb.NodeChange) {
	for i, n := range v.Nodes {
		if v.Settings.GetAutoLayout() && n.State == pb.NodeState_NODE_STATE_JOINING && v.See(protocol.NodeID(i+1)).Answers {
			changes = append(changes, &pb.NodeChange{Node: uint32(i + 1), Kind: pb.NodeChange_ADD})
		}
	}
	return changes[:min(len(changes), state.MaxLayoutChanges)]
}

// elsewhere tells whether copies of a node can be made again on others.
func (v View) elsewhere(id protocol.NodeID) bool {
	standing := 0
	for i, n := range v.Nodes {
		other := protocol.NodeID(i + 1)
		if other != id && n.State == pb.NodeState_NODE_STATE_UP && v.See(other).Answers {
			standing++
		}
	}
	return standing >= int(v.Settings.GetRedundancy())
}
