package api

import (
	"context"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// status answers the state's own account of itself, rolled back or not, with what only this server
// sees: who leads, who answers pings, how many reports came in.
func (a *API) status(ctx context.Context, q *pb.ClusterStatusRequest) (*pb.ClusterStatus, error) {
	if err := checkLevel(q.GetLevel()); err != nil {
		return nil, err
	}
	ans, err := look(ctx, a, q.GetLevel(), nil, struct{}{}, statusOf)
	if err != nil {
		return nil, err
	}
	group := a.cfg.Group()
	for _, m := range ans.GetMembers() {
		m.Leader = m.GetId() == group.Leader
		m.Voter = slices.Contains(group.Voters, m.GetId())
	}
	a.observe(ans.GetNodes())
	ans.AnsweredBy = a.cfg.Self
	ans.Reports = a.reports.count()
	return ans, nil
}

func statusOf(r state.Reader, _ struct{}) (*pb.ClusterStatus, error) { return state.Status(r) }
