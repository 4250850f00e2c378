package fleet

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch/health"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// JobList lists what moves blocks, and the deletes of prefixes. The leader answers, since it alone has measured
// how fast that goes.
func (v *Verbs) JobList(ctx context.Context, q *pb.JobListRequest) (*pb.JobListAnswer, error) {
	ans := &pb.JobListAnswer{}
	err := v.read(ctx, pb.Level_LEVEL_LINEARIZABLE, func(r state.Reader) (err error) {
		ans.Version, err = versionOf(r)
		return err
	})
	if err == nil {
		ans.Jobs, err = v.cfg.Leader.Jobs(ctx, q.GetEnded())
	}
	return ans, err
}

// JobCancel stops a sweep from marking more blocks, takes a drain back, or stops a
// delete of a prefix. Blocks that were marked are still brought to where they belong,
// and what was deleted stays deleted.
func (v *Verbs) JobCancel(ctx context.Context, q *pb.JobCancelRequest) (*pb.JobCancelAnswer, error) {
	cmd, err := v.cancel(ctx, q.GetId())
	if err != nil {
		return nil, err
	}
	res, err := v.cfg.Propose(ctx, cmd)
	if protocol.KindOf(err) == protocol.Changed {
		err = protocol.Errorf(protocol.Changed, "%s; try again", detail(err))
	}
	if err != nil {
		return nil, err
	}
	v.cfg.Leader.Nudge()
	return &pb.JobCancelAnswer{Version: res.GetVersion()}, nil
}

// cancel is the command that ends the job of an id.
func (v *Verbs) cancel(ctx context.Context, id string) (*record.Command, error) {
	if begun, ok := health.ParseDelete(id); ok {
		job := &pb.Version{Generation: begun.Generation, Counter: begun.Counter}
		return &record.Command{Body: &record.Command_CancelPrefixJob{CancelPrefixJob: &record.CancelPrefixJob{Job: job}}}, nil
	}
	sweep, node, err := health.ParseID(id)
	if err != nil {
		return nil, err
	}
	if node != 0 {
		return v.cancelDrain(ctx, node)
	}
	return &record.Command{Body: &record.Command_CancelSweep{CancelSweep: &record.CancelSweep{Sweep: sweep}}}, nil
}

func (v *Verbs) cancelDrain(ctx context.Context, node uint32) (*record.Command, error) {
	plan, err := v.LayoutPlan(ctx, &pb.LayoutPlanRequest{Changes: []*pb.NodeChange{{Node: node, Kind: pb.NodeChange_CANCEL_DRAIN}}})
	if err != nil {
		return nil, err
	}
	return &record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
		IfLayoutVersion: plan.GetLayoutVersion(), Changes: plan.GetChanges(), Algorithm: plan.GetAlgorithm(), TableDigest: plan.GetTableDigest(),
		Reason: "job " + health.DrainID(node) + " was canceled",
	}}}, nil
}
