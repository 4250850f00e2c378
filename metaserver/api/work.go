package api

import (
	"cmp"
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api/fleet"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch/health"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Work is what the verbs need of the leader's background work; safe for
// concurrent use. Plan and Explain are NotLeader on a server that does not lead.
type Work interface {
	Plan(ctx context.Context, q *pb.WorkPlanRequest) (*pb.WorkPlanAnswer, error)
	Explain(ctx context.Context, h protocol.Hash, ans *pb.ExplainAnswer) error
	// Doubt has node verify its copy of h.
	Doubt(h protocol.Hash, node protocol.NodeID)
	// Leader is what the verbs about nodes, layout and jobs need.
	fleet.Leader
}

// Limits of the verbs about work.
const (
	// MaxWorkList bounds the rows of one list, maxWorkScan those looked at for it.
	MaxWorkList = 1000
	maxWorkScan = 20_000
	// DefaultWorkList is how many rows are listed, MaxWorkRetry how many are made
	// due at once.
	DefaultWorkList = 100
	MaxWorkRetry    = 500
)

// workPlan is a dry run of the leader's next round.
func (a *API) workPlan(ctx context.Context, q *pb.WorkPlanRequest) (*pb.WorkPlanAnswer, error) {
	return a.cfg.Work.Plan(ctx, q)
}

// workList lists rows of the schedule.
func (a *API) workList(ctx context.Context, q *pb.WorkListRequest) (*pb.WorkListAnswer, error) {
	return read(ctx, a, pb.Level_LEVEL_LINEARIZABLE, nil, q, listWork)
}

func listWork(r state.Reader, q *pb.WorkListRequest) (*pb.WorkListAnswer, error) {
	cluster, err := state.ClusterRow(r)
	if err != nil {
		return nil, err
	}
	limit := int(min(cmp.Or(q.GetLimit(), DefaultWorkList), MaxWorkList))
	ans := &pb.WorkListAnswer{
		Settings: workSettings(cluster.GetSettings()), Watermark: cluster.GetWatermark(),
		Version: &pb.Version{Generation: cluster.GetGeneration(), Counter: cluster.GetCounter()},
	}
	scanned := 0
	err = state.ScanWork(r, q.GetClass(), func(w state.DueWork) bool {
		if scanned++; scanned > maxWorkScan || len(ans.Rows) == limit {
			ans.More = true
			return false
		}
		if !q.GetFailed() || w.Attempts > 0 {
			ans.Rows = append(ans.Rows, workRow(w))
		}
		return true
	})
	return ans, err
}

func workRow(w state.DueWork) *pb.WorkRow {
	return &pb.WorkRow{
		Class: w.Class, Lane: w.Lane, Hash: w.Hash[:], Attempts: w.Attempts, Cause: w.Cause, Detail: w.Detail, DueUnixMs: w.DueUnixMs,
	}
}

func workSettings(s *record.Settings) *pb.WorkSettings {
	return &pb.WorkSettings{
		PausedClasses: s.GetPausedClasses(), TranquilityPercent: s.GetTranquilityPercent(),
		GraceMs: s.GetGraceMs(), OrdersPerNode: s.GetOrdersPerNode(), AutoLayout: s.GetAutoLayout(), AuditKeepRows: state.AuditKeep(s),
		DownAfterMs: uint64(health.DownAfter(s).Milliseconds()), AwayAfterMs: uint64(health.AwayAfter(s).Milliseconds()),
	}
}

// workRetry makes postponed work due at once.
func (a *API) workRetry(ctx context.Context, q *pb.WorkRetryRequest) (*pb.WorkRetryAnswer, error) {
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_RetryNow{RetryNow: &record.RetryNow{
		Class: q.GetClass(), Hash: q.GetHash(), Limit: min(cmp.Or(q.GetLimit(), MaxWorkRetry), MaxWorkRetry),
	}}})
	if err != nil {
		return nil, err
	}
	a.cfg.Work.Nudge()
	return &pb.WorkRetryAnswer{Version: res.GetVersion()}, nil
}

// workSet changes the settings of background work; Changed if somebody else
// changed settings meanwhile.
func (a *API) workSet(ctx context.Context, q *pb.WorkSetRequest) (*pb.WorkSetAnswer, error) {
	cluster, err := read(ctx, a, pb.Level_LEVEL_LINEARIZABLE, nil, struct{}{}, clusterRow)
	if err != nil {
		return nil, err
	}
	s := cluster.GetSettings()
	if s == nil {
		return nil, protocol.Errorf(protocol.Unavailable, "the cluster has no settings yet")
	}
	s.PausedClasses = (s.PausedClasses | q.GetPause()) &^ q.GetResume()
	if q.TranquilityPercent != nil {
		s.TranquilityPercent = q.GetTranquilityPercent()
	}
	if q.GraceMs != nil {
		s.GraceMs = q.GetGraceMs()
	}
	if q.OrdersPerNode != nil {
		s.OrdersPerNode = q.GetOrdersPerNode()
	}
	if q.AuditKeepRows != nil {
		s.AuditKeepRows = q.GetAuditKeepRows()
	}
	if q.DownAfterMs != nil {
		s.DownAfterMs = q.GetDownAfterMs()
	}
	if q.AwayAfterMs != nil {
		s.AwayAfterMs = q.GetAwayAfterMs()
	}
	if q.AutoLayout != nil {
		s.AutoLayout = q.GetAutoLayout()
	}
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{
		Settings: s, IfVersion: cluster.GetSettingsVersion(),
	}}})
	if err != nil {
		return nil, err
	}
	a.cfg.Work.Nudge()
	return &pb.WorkSetAnswer{Settings: workSettings(s), Version: res.GetVersion()}, nil
}

func clusterRow(r state.Reader, _ struct{}) (*record.Cluster, error) { return state.ClusterRow(r) }
