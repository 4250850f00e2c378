package dispatch

import (
	"context"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// minRound is the least time between the beginnings of two rounds, so that what
// happens together is planned together.
const minRound = 5 * time.Millisecond

// rounds plans and sends orders until ctx ends: at once when something happened,
// else on a tick or when a postponed row is due.
func (l *leading) rounds(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		wait, err := l.round(ctx, &sending)
		l.complain(ctx, "round of orders", err)
		if err != nil {
			wait = l.cfg.Timing.RoundTick
		}
		if !pause(ctx, nil, minRound) || !pause(ctx, l.nudge, wait) {
			return
		}
	}
}

// round carries one plan out and tells when to plan again.
func (l *leading) round(ctx context.Context, sending *sync.WaitGroup) (wait time.Duration, err error) {
	var (
		obs  schedule.Observation
		plan schedule.Plan
		pace int
		t    terms
	)
	err = l.plan(ctx, func(r state.Reader) error {
		if obs, err = l.observe(r); err != nil {
			return err
		}
		cluster, err := state.ClusterRow(r)
		if err != nil {
			return err
		}
		pace = int(cluster.GetSettings().GetTranquilityPercent())
		t = terms{generation: obs.Generation, pauseDeletes: state.IsPaused(cluster, state.ClassDelete), most: ordersPerNode(cluster)}
		if err := l.verify(r, obs); err != nil {
			return err
		}
		plan, err = schedule.Next(r, obs)
		return err
	})
	if err != nil {
		return 0, err
	}
	l.fleet.mu.Lock()
	l.fleet.cursors = plan.Cursors
	l.fleet.mu.Unlock()
	l.push(ctx, obs, plan, t, pace, sending)
	begun := time.Now()
	applied, err := l.settled(ctx, plan.Commands)
	if err != nil {
		return 0, err
	}
	if applied > 0 {
		return 0, l.rest(ctx, time.Since(begun), pace)
	}
	return l.until(plan), nil
}

// rest keeps the pace after work that took a while.
func (l *leading) rest(ctx context.Context, took time.Duration, pace int) error {
	if d := paceRest(took, pace); d > 0 {
		pause(ctx, nil, d)
	}
	return ctx.Err()
}

// paceRest is tranquility: after work that took d, pace/100 of d.
func paceRest(took time.Duration, pace int) time.Duration {
	return min(took*time.Duration(pace)/100, maxPaceRest)
}

// until is how long to wait when nothing happens.
func (l *leading) until(plan schedule.Plan) time.Duration {
	tick := l.cfg.Timing.RoundTick
	if plan.NextDueUnixMs == 0 {
		return tick
	}
	due := time.Duration(plan.NextDueUnixMs-l.cfg.Now().UnixMilli()) * time.Millisecond
	return min(tick, max(due, minRound))
}

// push sends each node its batch: what was planned and errands. A node that
// has not answered this leadership is sent an empty one, which tells it of this
// leader and asks for credit.
func (l *leading) push(ctx context.Context, obs schedule.Observation, plan schedule.Plan, t terms, pace int, sending *sync.WaitGroup) {
	planned := make(map[protocol.NodeID][]*pb.Order, len(plan.Orders))
	for _, n := range plan.Orders {
		planned[n.Node] = n.Orders
	}
	for _, n := range obs.Nodes {
		if !l.due(n, planned[n.ID]) {
			continue
		}
		orders, errands := l.fleet.begin(n.ID, planned[n.ID], t)
		q := &pb.OrdersRequest{
			Generation: obs.Generation, Term: obs.Term, Orders: orders, Node: uint32(n.ID), Incarnation: uint64(n.Incarnation),
			SliceMs: uint32(l.cfg.Timing.OrderSlice.Milliseconds()),
		}
		sending.Go(func() { l.send(ctx, n, q, errands, pace) })
	}
}

// due tells whether a node is to be sent a batch now.
func (l *leading) due(n schedule.Node, planned []*pb.Order) bool {
	l.fleet.mu.Lock()
	defer l.fleet.mu.Unlock()
	at := l.fleet.link(n.ID)
	switch {
	case at.busy || time.Now().Before(at.rest) || !l.sight.reachable(n.ID):
		return false
	case !at.met:
		return true
	}
	return len(planned) > 0 || len(at.errands.list) > 0
}

// verify turns doubts into errands.
func (l *leading) verify(r state.Reader, obs schedule.Observation) error {
	refs := l.fleet.takeDoubts()
	if len(refs) == 0 {
		return nil
	}
	batches, err := schedule.Verify(r, obs, refs)
	for _, b := range batches {
		l.fleet.hand(b.Node, b.Orders, obs.Generation)
	}
	return err
}

// settled proposes commands one after the other, and counts those that changed
// something.
func (l *leading) settled(ctx context.Context, commands []*record.Command) (applied int, err error) {
	for _, c := range commands {
		res, err := l.propose(ctx, c)
		if err != nil {
			return applied, err
		}
		l.metrics.command(c)
		if res.GetEffect() == nil || res.GetEffect().GetApplied() > 0 || c.GetReap() != nil {
			applied++
		}
	}
	return applied, nil
}
