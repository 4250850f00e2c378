package fleet

import (
	"bytes"
	"context"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// LayoutPlan tells what a change of layout would do, and what apply needs to do
// just that.
func (v *Verbs) LayoutPlan(ctx context.Context, q *pb.LayoutPlanRequest) (*pb.LayoutPlanAnswer, error) {
	var ans *pb.LayoutPlanAnswer
	var nodes []*pb.NodeInfo
	err := v.read(ctx, pb.Level_LEVEL_LINEARIZABLE, func(r state.Reader) error {
		plan, err := state.PlanLayout(r, q.GetChanges())
		if err != nil {
			return err
		}
		ans = plan.LayoutPlanAnswer
		if plan.Restored {
			ans.Risks = append(ans.Risks, "the table is the very one from before the drain")
		}
		nodes, err = state.NodeInfos(r, false)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := v.cfg.Leader.Sight(ctx, nodes); err != nil {
		return nil, err
	}
	ans.Risks = append(ans.Risks, risks(ans, nodes)...)
	return ans, nil
}

// risks are what an operator should know before: who does not answer, what fills
// up, and what is not spread over enough zones.
func risks(p *pb.LayoutPlanAnswer, nodes []*pb.NodeInfo) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	gains := map[uint32]*pb.LayoutShare{}
	for _, s := range p.GetShares() {
		if s.GetPlacesAfter() > s.GetPlacesBefore() {
			gains[s.GetNode()] = s
		}
	}
	for _, n := range nodes {
		id, s := n.GetNode().GetNode(), gains[n.GetNode().GetNode()]
		switch {
		case s == nil:
		case !n.GetNode().GetReachable():
			say("node %d gains blocks and does not answer: moving them waits for it", id)
		case n.GetFull():
			say("node %d gains blocks and is full", id)
		case s.GetCapacityBytes() > 0 && s.GetBytesAfter() > s.GetCapacityBytes()/10*9:
			say("node %d would hold %d of its %d bytes", id, s.GetBytesAfter(), s.GetCapacityBytes())
		}
		if n.GetNode().GetSuspect() {
			say("the inventory of node %d is outstanding: its copies are no sources yet", id)
		}
	}
	if p.GetZones() < p.GetRedundancy() {
		say("%d zones for %d copies of each block: a zone that is lost takes more than one copy of some", p.GetZones(), p.GetRedundancy())
	}
	return lines
}

// LayoutApply does what a plan showed, if nothing has moved on since.
func (v *Verbs) LayoutApply(ctx context.Context, q *pb.LayoutApplyRequest) (*pb.LayoutApplyAnswer, error) {
	res, err := v.cfg.Propose(ctx, &record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
		IfLayoutVersion: q.GetIfLayoutVersion(), Changes: q.GetChanges(), Algorithm: q.GetAlgorithm(), TableDigest: q.GetTableDigest(), Reason: q.GetReason(),
	}}})
	if err != nil && protocol.KindOf(err) != protocol.Changed {
		return nil, err
	}
	ans := &pb.LayoutApplyAnswer{Version: res.GetVersion()}
	stands, rerr := v.stands(ctx, q, ans)
	switch {
	case rerr != nil:
		return nil, rerr
	case err != nil && !stands:
		return nil, protocol.Errorf(protocol.Changed, "%s; plan again and look at what it shows now", detail(err))
	}
	v.cfg.Leader.Nudge()
	return ans, nil
}

// stands tells whether the present layout is the one that q asks for, and fills in
// the answer about it. A request that was repeated is not refused for having
// been applied.
func (v *Verbs) stands(ctx context.Context, q *pb.LayoutApplyRequest, ans *pb.LayoutApplyAnswer) (same bool, err error) {
	err = v.read(ctx, pb.Level_LEVEL_STALE, func(r state.Reader) error {
		cluster, err := state.ClusterRow(r)
		if err != nil {
			return err
		}
		ans.LayoutVersion = cluster.GetLayoutVersion()
		if ans.Version == nil {
			ans.Version = &pb.Version{Generation: cluster.GetGeneration(), Counter: cluster.GetCounter()}
		}
		if ans.Sweep, _, err = state.RunningSweep(r); err != nil {
			return err
		}
		row, err := state.LayoutRow(r)
		if err != nil {
			return err
		}
		digest, err := state.LayoutDigest(r)
		if err != nil {
			return err
		}
		same = cluster.GetLayoutVersion() == q.GetIfLayoutVersion()+1 && bytes.Equal(digest[:], q.GetTableDigest()) && row.GetReason() == q.GetReason()
		return nil
	})
	return same, err
}

// LayoutHistory lists the layouts that are known, newest first.
func (v *Verbs) LayoutHistory(ctx context.Context, _ *pb.LayoutHistoryRequest) (ans *pb.LayoutHistoryAnswer, err error) {
	err = v.read(ctx, pb.Level_LEVEL_LINEARIZABLE, func(r state.Reader) error {
		ans, err = state.LayoutHistory(r)
		return err
	})
	return ans, err
}
