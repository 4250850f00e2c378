package api

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// register admits a blockserver, or a new start of one (reclamation.md, Register).
func (a *API) register(ctx context.Context, q *pb.RegisterRequest) (*pb.RegisterAnswer, error) {
	if err := checkDialable(q.GetAddress()); err != nil {
		return nil, err
	}
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_Register{Register: q}})
	if err != nil {
		return nil, err
	}
	ans := res.GetRegister()
	if ans == nil {
		return nil, noBody("node/register")
	}
	return ans, nil
}

// layout answers the placement table. The leader answers, since it alone sees
// who is reachable; while no leader is known, any replica answers from its own
// state, so that reads that may be stale go on.
func (a *API) layout(ctx context.Context, _ *pb.LayoutRequest) (*pb.Layout, error) {
	if leader := a.cfg.Group().Leader; leader != "" && leader != a.cfg.Self {
		return nil, protocol.Errorf(protocol.NotLeader, "the leader answers layout")
	}
	ans, err := read(ctx, a, pb.Level_LEVEL_STALE, nil, struct{}{}, layoutOf)
	if err != nil {
		return nil, err
	}
	a.observe(ans.GetNodes())
	return ans, nil
}

func layoutOf(r state.Reader, _ struct{}) (*pb.Layout, error) { return state.Layout(r) }

// observe flags the nodes that answer pings. What they say that they use stands
// in for what they said when they registered.
func (a *API) observe(nodes []*pb.BlockNode) {
	for _, n := range nodes {
		seen := a.cfg.Observed(protocol.NodeID(n.GetNode()))
		n.Reachable = seen.Reachable
		if seen.Known {
			n.UsedBytes = seen.Used
		}
	}
}
