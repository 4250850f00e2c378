package dispatch

import (
	"cmp"
	"context"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch/health"
	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Bounds of a dry run's answer.
const (
	// MaxPlanSteps bounds the steps listed, MaxPlanCount how far waiting work is
	// counted.
	MaxPlanSteps = 1000
	MaxPlanCount = 10_000

	defaultPlanSteps = 100
	defaultPlanCount = 1000
)

// see runs fn over what this leader sees now; NotLeader while it does not lead,
// Unavailable while the metadata is known to be rolled back.
func (d *Dispatcher) see(ctx context.Context, fn func(r state.Reader, obs schedule.Observation) error) error {
	l := d.leading.Load()
	if l == nil {
		return protocol.Errorf(protocol.NotLeader, "only the leader plans")
	}
	return l.look(ctx, func(r state.Reader) error {
		if err := state.Serving(r); err != nil {
			return err
		}
		obs, err := l.observe(r)
		if err != nil {
			return err
		}
		return fn(r, obs)
	})
}

// Plan is a dry run: what the leader would do now, and what waits for what.
func (d *Dispatcher) Plan(ctx context.Context, q *pb.WorkPlanRequest) (*pb.WorkPlanAnswer, error) {
	var plan schedule.Plan
	count := int(min(cmp.Or(q.GetCount(), defaultPlanCount), MaxPlanCount))
	err := d.see(ctx, func(r state.Reader, obs schedule.Observation) (err error) {
		obs.Limits.Count, obs.Cursors = count, nil
		plan, err = schedule.Next(r, obs)
		return err
	})
	if err != nil {
		return nil, err
	}
	ans := &pb.WorkPlanAnswer{NextDueUnixMs: plan.NextDueUnixMs}
	ans.Steps = plan.Steps()
	if limit := int(min(cmp.Or(q.GetLimit(), defaultPlanSteps), MaxPlanSteps)); len(ans.Steps) > limit {
		ans.More = uint32(len(ans.Steps) - limit)
		ans.Steps = ans.Steps[:limit]
	}
	for _, w := range plan.Waiting {
		ans.Waiting = append(ans.Waiting, &pb.WorkWaiting{
			Class: w.Class, Lane: w.Lane, Count: uint32(w.Count), AtLeast: w.Count >= count, Why: w.Why,
		})
	}
	return ans, nil
}

// Explain fills in what the leader knows of a block: orders under way, members
// that do not answer, and the one thing that progress waits for.
func (d *Dispatcher) Explain(ctx context.Context, h protocol.Hash, ans *pb.ExplainAnswer) error {
	return d.see(ctx, func(r state.Reader, obs schedule.Observation) (err error) {
		for _, ref := range obs.InFlight {
			if ref.Hash == h {
				ans.InFlight = append(ans.InFlight, uint32(ref.Node))
			}
		}
		for _, n := range obs.Nodes {
			if !n.Reachable {
				ans.SilentNodes = append(ans.SilentNodes, uint32(n.ID))
			}
		}
		ans.WaitsFor, err = schedule.Explain(r, obs, h)
		return err
	})
}

// seen is what the pings of this leadership say of a node's health.
func (l *leading) seen(n protocol.NodeID) health.Sight {
	s := l.sight.at(n)
	if s.Reachable {
		return health.Sight{Answers: s.Known}
	}
	return health.Sight{Silent: l.cfg.Now().Sub(s.Since)}
}

// Answers tells whether a node answers, by the pings of this leadership. One that
// was not asked yet does, and so does every node where this server does not lead.
func (d *Dispatcher) Answers(node protocol.NodeID) bool { return d.Observed(node).Reachable }

// Sight completes nodes with what this leader has observed of them, and with what
// drains, rebuilds and removals wait for. A server that does not lead has observed
// nothing.
func (d *Dispatcher) Sight(ctx context.Context, nodes []*pb.NodeInfo) error {
	for _, n := range nodes {
		seen := d.Observed(protocol.NodeID(n.GetNode().GetNode()))
		n.Node.Reachable = seen.Reachable
		n.ObservedUsedBytes, n.ObservedFreeBytes, n.Full = seen.Used, seen.Free, seen.Full
	}
	if d.leading.Load() == nil {
		return nil
	}
	return d.see(ctx, func(r state.Reader, obs schedule.Observation) (err error) {
		for _, n := range nodes {
			if n.WaitsFor, err = schedule.Waits(r, obs, protocol.NodeID(n.GetNode().GetNode())); err != nil {
				return err
			}
		}
		return nil
	})
}

// Jobs lists what moves blocks, with speeds as this leadership has measured them
// and the one thing that each waits for; NotLeader while this server does not lead.
func (d *Dispatcher) Jobs(ctx context.Context, ended bool) (jobs []*pb.JobInfo, err error) {
	l := d.leading.Load()
	if l == nil {
		return nil, protocol.Errorf(protocol.NotLeader, "only the leader measures jobs")
	}
	err = l.look(ctx, func(r state.Reader) error {
		if jobs, err = health.Jobs(r, ended); err != nil {
			return err
		}
		cluster, err := state.ClusterRow(r)
		if err != nil {
			return err
		}
		if explainDeletes(cluster, jobs); !slices.ContainsFunc(jobs, health.Runs) {
			return err
		}
		obs, err := l.observe(r)
		if err != nil {
			return err
		}
		obs.Limits.Count, obs.Cursors = defaultPlanCount, nil
		return health.Explain(r, obs, jobs)
	})
	l.health.Measure(jobs)
	return jobs, err
}

// Doubt has node look at its copy of h, as after a reader's complaint. It is
// forgotten if this server does not lead.
func (d *Dispatcher) Doubt(h protocol.Hash, node protocol.NodeID) {
	if l := d.leading.Load(); l != nil {
		l.fleet.doubt(schedule.Ref{Hash: h, Node: node})
		d.Nudge()
	}
}
