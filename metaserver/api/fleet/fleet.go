package fleet

import (
	"context"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Limits of the verbs.
const (
	// DefaultCritical is how many critical blocks are listed, MaxCritical at most.
	DefaultCritical = 100
	MaxCritical     = 10_000
	// maxCriticalScan bounds the records that are looked at for them, criticalPage
	// those of one view.
	maxCriticalScan = 1_000_000
	criticalPage    = 2_000
)

// Leader is what the verbs need of the leader's work; safe for concurrent use.
type Leader interface {
	// Sight completes nodes with what was observed of them and what they wait for.
	Sight(ctx context.Context, nodes []*pb.NodeInfo) error
	// Answers tells whether a node answers, by what was observed of it; one that was
	// not asked yet does.
	Answers(node protocol.NodeID) bool
	// Jobs lists jobs with measured speeds; NotLeader on a server that does not lead.
	Jobs(ctx context.Context, ended bool) ([]*pb.JobInfo, error)
	// Nudge has the next round of work begin at once.
	Nudge()
}

// Config wires Verbs. All of it is required.
type Config struct {
	// View takes the state at a level; the caller closes it.
	View func(ctx context.Context, level pb.Level) (state.View, error)
	// Propose checks and proposes a command; a result with a kind is an error.
	Propose func(ctx context.Context, cmd *record.Command) (*record.Result, error)
	Leader  Leader
}

// Verbs answers the verbs. Make it with New.
type Verbs struct{ cfg Config }

// New returns the verbs over cfg.
func New(cfg Config) *Verbs { return &Verbs{cfg} }

// read runs fn over the state at level.
func (v *Verbs) read(ctx context.Context, level pb.Level, fn func(state.Reader) error) error {
	view, err := v.cfg.View(ctx, level)
	if err != nil {
		return err
	}
	err = fn(view)
	if cerr := view.Close(); err == nil {
		err = cerr
	}
	return err
}

// versionOf is the version that a reader stands at.
func versionOf(r state.Reader) (*pb.Version, error) {
	c, err := state.ClusterRow(r)
	return &pb.Version{Generation: c.GetGeneration(), Counter: c.GetCounter()}, err
}

// detail is an error's text without its kind, to go on from.
func detail(err error) string { return protocol.AsError(err).Detail }

// nodeRow returns a node that was not removed.
func nodeRow(r state.Reader, id uint32) (*record.Node, error) {
	nodes, err := state.Nodes(r)
	if err != nil {
		return nil, err
	}
	if id == 0 || int(id) > len(nodes) {
		return nil, protocol.Errorf(protocol.NotFound, "no node has number %d; `ashlar node list` shows those there are", id)
	}
	if n := nodes[id-1]; n.GetState() != pb.NodeState_NODE_STATE_REMOVED {
		return n, nil
	}
	return nil, protocol.Errorf(protocol.Removed, "node %d was removed", id)
}

// NodeList lists the nodes.
func (v *Verbs) NodeList(ctx context.Context, q *pb.NodeListRequest) (*pb.NodeListAnswer, error) {
	ans := &pb.NodeListAnswer{}
	err := v.read(ctx, q.GetLevel(), func(r state.Reader) (err error) {
		if ans.Nodes, err = state.NodeInfos(r, q.GetRemoved()); err != nil {
			return err
		}
		ans.Version, err = versionOf(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := v.cfg.Leader.Sight(ctx, ans.Nodes); err != nil {
		return nil, err
	}
	for _, n := range ans.Nodes {
		switch n.GetNode().GetState() {
		case pb.NodeState_NODE_STATE_JOINING:
			n.WaitsFor = fmt.Sprintf("an operator's `ashlar layout apply --add %d`", n.GetNode().GetNode())
		case pb.NodeState_NODE_STATE_DOWN:
			if !n.GetAway() {
				n.WaitsFor = "its answer, or the time after which its copies are made again elsewhere"
			}
		}
	}
	return ans, nil
}

// NodeStop tells whether a node may stop now, and lists the blocks that speak
// against it. Looking changes nothing; NodeSet with maintenance asks and takes the
// answer in one step, so that two operators cannot both get a yes.
func (v *Verbs) NodeStop(ctx context.Context, q *pb.NodeStopRequest) (*pb.NodeStopAnswer, error) {
	ans := &pb.NodeStopAnswer{}
	err := v.read(ctx, pb.Level_LEVEL_LINEARIZABLE, func(r state.Reader) error {
		n, err := nodeRow(r, q.GetNode())
		if err != nil {
			return err
		}
		ans.CriticalBlocks = n.GetCriticalBlocks()
		if ans.Version, err = versionOf(r); err != nil {
			return err
		}
		switch err = state.StopCheck(r, q.GetNode()); protocol.KindOf(err) {
		case 0:
			ans.MayStop = true
		case protocol.PreconditionFailed, protocol.Unavailable:
			ans.Why, err = detail(err), nil
		}
		return err
	})
	if err != nil || ans.CriticalBlocks == 0 {
		return ans, err
	}
	limit := int(min(q.GetLimit(), MaxCritical))
	if limit == 0 {
		limit = DefaultCritical
	}
	ans.Critical, err = v.critical(ctx, q.GetNode(), limit)
	return ans, err
}

// critical lists, packed, the first blocks that would keep fewer than Q copies
// without the node, in pages that need not be of one moment.
func (v *Verbs) critical(ctx context.Context, node uint32, limit int) (packed []byte, err error) {
	var after protocol.Hash
	for scanned, more := 0, true; more && scanned < maxCriticalScan && len(packed) < limit*protocol.HashSize; scanned += criticalPage {
		err = v.read(ctx, pb.Level_LEVEL_STALE, func(r state.Reader) error {
			var found []protocol.Hash
			found, after, more, err = state.CriticalBlocks(r, node, after, criticalPage)
			for _, h := range found[:min(len(found), limit-len(packed)/protocol.HashSize)] {
				packed = append(packed, h[:]...)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return packed, nil
}

// NodeSet begins or ends a node's maintenance.
func (v *Verbs) NodeSet(ctx context.Context, q *pb.NodeSetRequest) (*pb.NodeSetAnswer, error) {
	to := q.GetState()
	if to != pb.NodeState_NODE_STATE_MAINTENANCE && to != pb.NodeState_NODE_STATE_UP {
		return nil, protocol.Errorf(protocol.InvalidArgument, "an operator sets a node to maintenance, or back to up; draining is a change of layout, and down is what the leader sees")
	}
	var n *record.Node
	ans := &pb.NodeSetAnswer{}
	err := v.read(ctx, pb.Level_LEVEL_LINEARIZABLE, func(r state.Reader) (err error) {
		if n, err = nodeRow(r, q.GetNode()); err == nil {
			ans.Version, err = versionOf(r)
		}
		return err
	})
	if err != nil || n.GetState() == to {
		return ans, err
	}
	if to == pb.NodeState_NODE_STATE_UP && n.GetState() != pb.NodeState_NODE_STATE_MAINTENANCE {
		return nil, protocol.Errorf(protocol.PreconditionFailed, "node %d is %s, not in maintenance", q.GetNode(), state.StateName(n.GetState()))
	}
	res, err := v.cfg.Propose(ctx, &record.Command{Body: &record.Command_SetNodeState{SetNodeState: &record.SetNodeState{
		Node: q.GetNode(), State: to, IfState: n.GetState(), IfIncarnation: n.GetIncarnation(), AcceptRisk: q.GetAcceptRisk(),
	}}})
	if protocol.KindOf(err) == protocol.PreconditionFailed && to == pb.NodeState_NODE_STATE_MAINTENANCE && !q.GetAcceptRisk() {
		err = protocol.Errorf(protocol.PreconditionFailed, "%s; wait until that has passed (`ashlar node may-stop %d` tells), or accept the risk", detail(err), q.GetNode())
	}
	if err != nil {
		return nil, err
	}
	v.cfg.Leader.Nudge()
	return &pb.NodeSetAnswer{Version: res.GetVersion()}, nil
}

// NodeRemove ends a node's membership for good. Unless the loss is accepted, it is
// judged twice: here, at one version and with what the leader sees of the node, and
// by the entry, which only knows the log.
func (v *Verbs) NodeRemove(ctx context.Context, q *pb.NodeRemoveRequest) (*pb.NodeRemoveAnswer, error) {
	if !q.GetAcceptLoss() {
		err := v.read(ctx, pb.Level_LEVEL_LINEARIZABLE, func(r state.Reader) error {
			return state.RemoveCheck(r, q.GetNode(), v.cfg.Leader.Answers(protocol.NodeID(q.GetNode())))
		})
		if err != nil {
			return nil, err
		}
	}
	res, err := v.cfg.Propose(ctx, &record.Command{Body: &record.Command_RemoveNode{RemoveNode: &record.RemoveNode{
		Node: q.GetNode(), AcceptLoss: q.GetAcceptLoss(),
	}}})
	if err != nil {
		return nil, err
	}
	v.cfg.Leader.Nudge()
	return &pb.NodeRemoveAnswer{Version: res.GetVersion()}, nil
}
