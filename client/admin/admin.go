// Package admin is the operator's side of a client: nodes, the layout, and the jobs
// that move blocks.
//
// A change of layout takes two steps. [Client.Plan] shows what it would do and
// changes nothing; [Client.Apply] does just what a plan showed, and is
// [protocol.Changed] if anything has moved on since: then plan again.
//
//	plan, err := a.Plan(ctx, []*pb.NodeChange{{Node: 4, Kind: pb.NodeChange_ADD}})
//	...
//	applied, err := a.Apply(ctx, plan, "rack 2 came")
//
// Answers are the wire's own messages. What a leader has only observed (who
// answers, speeds, times left) is in them and marked as such; everything else is
// what the log says. Every call can be repeated: one whose answer was lost is sent
// again, and succeeds if what it asked for stands.
package admin

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Client puts an operator's questions over a client's connections. It is safe for
// concurrent use.
type Client struct{ c *client.Client }

// New returns the operator's side of c, which stays open.
func New(c *client.Client) *Client { return &Client{c} }

// answer is a message that an answer is decoded into.
type answer[A any] interface {
	*A
	rpc.Message
}

func ask[A any, PA answer[A]](ctx context.Context, a *Client, path string, q rpc.Message) (PA, error) {
	ans := PA(new(A))
	if err := a.c.Ask(ctx, path, q, ans); err != nil {
		return nil, err
	}
	return ans, nil
}

// Nodes lists the blockservers. The leader answers; with stale any metaserver does,
// and has observed nothing.
func (a *Client) Nodes(ctx context.Context, stale, removed bool) ([]*pb.NodeInfo, error) {
	q := &pb.NodeListRequest{Removed: removed}
	if stale {
		q.Level = pb.Level_LEVEL_STALE
	}
	ans, err := ask[pb.NodeListAnswer](ctx, a, protocol.PathNodeList, q)
	return ans.GetNodes(), err
}

// MayStop asks whether a node may stop now, with up to limit of the blocks that
// speak against it. It is a look, good for the moment it was taken in.
func (a *Client) MayStop(ctx context.Context, node uint32, limit int) (*pb.NodeStopAnswer, error) {
	return ask[pb.NodeStopAnswer](ctx, a, protocol.PathNodeStop, &pb.NodeStopRequest{Node: node, Limit: uint32(limit)})
}

// Maintain begins a node's maintenance, or ends it. Beginning is
// [protocol.PreconditionFailed] while the node may not stop, unless the risk is
// accepted.
func (a *Client) Maintain(ctx context.Context, node uint32, end, acceptRisk bool) error {
	q := &pb.NodeSetRequest{Node: node, State: pb.NodeState_NODE_STATE_MAINTENANCE, AcceptRisk: acceptRisk}
	if end {
		q.State = pb.NodeState_NODE_STATE_UP
	}
	_, err := ask[pb.NodeSetAnswer](ctx, a, protocol.PathNodeSet, q)
	return err
}

// Remove ends a node's membership for good. It is [protocol.PreconditionFailed]
// while blocks would keep too few copies, and while the node answers and holds any,
// unless their loss is accepted; the error says how many and what to do first.
func (a *Client) Remove(ctx context.Context, node uint32, acceptLoss bool) error {
	_, err := ask[pb.NodeRemoveAnswer](ctx, a, protocol.PathNodeRemove, &pb.NodeRemoveRequest{Node: node, AcceptLoss: acceptLoss})
	return err
}

// Plan shows what changes of layout would do; without changes, what balancing anew
// would.
func (a *Client) Plan(ctx context.Context, changes []*pb.NodeChange) (*pb.LayoutPlanAnswer, error) {
	return ask[pb.LayoutPlanAnswer](ctx, a, protocol.PathLayoutPlan, &pb.LayoutPlanRequest{Changes: changes})
}

// Apply does what plan showed, with a reason for people.
func (a *Client) Apply(ctx context.Context, plan *pb.LayoutPlanAnswer, reason string) (*pb.LayoutApplyAnswer, error) {
	return ask[pb.LayoutApplyAnswer](ctx, a, protocol.PathLayoutApply, &pb.LayoutApplyRequest{
		IfLayoutVersion: plan.GetLayoutVersion(), Changes: plan.GetChanges(), Algorithm: plan.GetAlgorithm(), TableDigest: plan.GetTableDigest(), Reason: reason,
	})
}

// Layouts lists the layouts that are known, newest first.
func (a *Client) Layouts(ctx context.Context) ([]*pb.LayoutEvent, error) {
	ans, err := ask[pb.LayoutHistoryAnswer](ctx, a, protocol.PathLayoutHistory, &pb.LayoutHistoryRequest{})
	return ans.GetLayouts(), err
}

// Jobs lists what moves blocks and the deletes of prefixes: what runs, and with ended what has run lately.
func (a *Client) Jobs(ctx context.Context, ended bool) ([]*pb.JobInfo, error) {
	ans, err := ask[pb.JobListAnswer](ctx, a, protocol.PathJobList, &pb.JobListRequest{Ended: ended})
	return ans.GetJobs(), err
}

// CancelJob ends a job by its id.
func (a *Client) CancelJob(ctx context.Context, id string) error {
	_, err := ask[pb.JobCancelAnswer](ctx, a, protocol.PathJobCancel, &pb.JobCancelRequest{Id: id})
	return err
}
