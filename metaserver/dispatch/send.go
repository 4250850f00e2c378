package dispatch

import (
	"context"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// send pushes one batch to a node, has its answers settled, and gives the node
// free. A batch without an answer is forgotten: its orders are planned again.
func (l *leading) send(ctx context.Context, n schedule.Node, q *pb.OrdersRequest, errands []errand, pace int) {
	begun := time.Now()
	timed, cancel := context.WithTimeout(ctx, l.cfg.Timing.OrderTimeout)
	ans, err := l.cfg.Nodes.Orders(timed, n.Address, q)
	cancel()
	if err == nil && protocol.NodeID(ans.GetNode()) != n.ID {
		err = protocol.Errorf(protocol.Unavailable, "node %d answers at the address of node %s", ans.GetNode(), n.ID)
	}
	l.metrics.batch(q, ans, err)
	if err == nil {
		err = l.settle(ctx, n.ID, q.Orders, ans.Answers)
	}
	took := time.Since(begun)
	if ctx.Err() == nil {
		l.finish(n.ID, q.Orders, ans.GetAnswers(), errands, outcome{
			err: err, generation: q.Generation, slots: int(ans.GetFreeSlots()), rest: paceRest(took, pace),
		})
		l.noteBatch(ctx, n, err)
	}
	l.Nudge()
}

// noteBatch logs the first failure of a row.
func (l *leading) noteBatch(ctx context.Context, n schedule.Node, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	l.fleet.mu.Lock()
	first := l.fleet.link(n.ID).failures == 1
	l.fleet.mu.Unlock()
	if first {
		l.cfg.Logger.Warn("orders failed; will try again", "node", n.ID, "address", n.Address, "error", err)
	}
}

// settle proposes what the answers amount to, and doubts what they cast a doubt on.
func (l *leading) settle(ctx context.Context, n protocol.NodeID, sent []*pb.Order, answers []*pb.OrderAnswer) error {
	if len(answers) == 0 {
		return nil
	}
	var commands []*record.Command
	err := l.look(ctx, func(r state.Reader) error {
		obs, err := l.observe(r)
		if err != nil {
			return err
		}
		if commands, err = schedule.Settle(r, obs, n, sent, answers); err != nil {
			return err
		}
		doubts, err := schedule.Doubts(r, n, sent, answers)
		l.fleet.doubt(doubts...)
		return err
	})
	if err != nil {
		return err
	}
	_, err = l.settled(ctx, commands)
	return err
}

// outcome is how a batch went.
type outcome struct {
	err        error
	generation uint32
	slots      int
	rest       time.Duration
}

// finish gives a node free after a batch. Orders that were answered are not
// given again before their effect had time to show; orders that were handed back
// may be given at once, to a node that has slots.
func (l *leading) finish(n protocol.NodeID, sent []*pb.Order, answers []*pb.OrderAnswer, errands []errand, o outcome) {
	now := time.Now()
	l.fleet.mu.Lock()
	defer l.fleet.mu.Unlock()
	at := l.fleet.link(n)
	at.busy, at.sent = false, at.sent[:0]
	if o.err != nil {
		l.failed(at)
		for _, e := range errands {
			e.lot.end()
		}
		return
	}
	at.met, at.failures, at.credit, at.generation = true, 0, o.slots, o.generation
	at.rest = now.Add(o.rest)
	back := handedBack(sent, answers)
	if troubled(sent, answers) || len(back) > 0 && o.slots == 0 {
		at.rest = at.rest.Add(l.cfg.Timing.Rest)
	}
	for i, order := range sent {
		if !back[order.Id] {
			at.answer(order, now.Add(l.cfg.Timing.EffectWait))
		}
		if at := i - (len(sent) - len(errands)); at >= 0 && !back[order.Id] {
			errands[at].lot.end()
		}
	}
	for i, e := range errands {
		if back[sent[len(sent)-len(errands)+i].Id] {
			at.errands.add(e)
		}
	}
}

// failed lets a node rest; it has to be met again. The caller holds the lock.
func (l *leading) failed(at *link) {
	at.failures++
	at.met = false
	at.rest = time.Now().Add(backoff(at.failures, l.cfg.Timing.Rest, l.cfg.Timing.MaxRest))
}

// handedBack are the ids of orders that the node did not begin, or said nothing of.
func handedBack(sent []*pb.Order, answers []*pb.OrderAnswer) map[uint64]bool {
	back := map[uint64]bool{}
	for _, o := range sent {
		back[o.Id] = true
	}
	for _, a := range answers {
		if a.Outcome != pb.Outcome_OUTCOME_HANDED_BACK {
			delete(back, a.Id)
		}
	}
	return back
}

// troubled tells whether an order failed for a reason of the node as a whole.
func troubled(sent []*pb.Order, answers []*pb.OrderAnswer) bool {
	for _, a := range answers {
		// Ids are places in the batch, from 1.
		if at := a.Id - 1; a.Outcome == pb.Outcome_OUTCOME_FAILED && at < uint64(len(sent)) &&
			schedule.OfNode(sent[at].Kind, protocol.Kind(a.Kind)) {
			return true
		}
	}
	return false
}

// backoff doubles first for each failure after the first, up to most.
func backoff(failures int, first, most time.Duration) time.Duration {
	if failures > 16 {
		return most
	}
	return min(most, first<<(failures-1))
}
