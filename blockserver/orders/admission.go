package orders

import (
	"context"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// place is where a leader stands: its generation, and its term in it.
type place struct {
	generation uint32
	term       uint64
}

func placeOf(q *pb.OrdersRequest) place { return place{q.GetGeneration(), q.GetTerm()} }

func (p place) less(o place) bool {
	return p.generation < o.generation || p.generation == o.generation && p.term < o.term
}

// Admit lets the leader of q in without carrying out its orders. It refuses, as
// OrderRefused, what is lower than the highest generation and term met, and meets
// what is higher, durably (Lower is refused). No delete of what is lower is under
// way when it returns nil. It holds a batch's slot, and waits for such deletes
// within q's slice and ctx. Errors besides: InvalidArgument for a generation that
// there cannot be, Busy for want of a slot and for deletes that do not end, Disk,
// NotRegistered, and UnknownOutcome or Canceled if ctx ends while a disk syncs.
func (w *Worker) Admit(ctx context.Context, q *pb.OrdersRequest) error {
	leave, err := w.admit(ctx, q, endOf(q))
	if err == nil {
		leave()
	}
	return err
}

// admit is Admit until end; the caller gives the slot back with leave.
func (w *Worker) admit(ctx context.Context, q *pb.OrdersRequest, end time.Time) (leave func(), err error) {
	if err := protocol.CheckGeneration(q.GetGeneration()); err != nil {
		return nil, err
	}
	p := placeOf(q)
	// Also when there is no slot: what holds the slots begins nothing more then.
	if err := w.meet(p); err != nil {
		return nil, err
	}
	select {
	case w.batches <- struct{}{}:
	default:
		return nil, protocol.Errorf(protocol.Busy, "%d batches of orders are under way; try again later", maxBatches)
	}
	if err := w.enter(ctx, p, end); err != nil {
		<-w.batches
		return nil, err
	}
	return func() { <-w.batches }, nil
}

// meet refuses p if something higher was met, and is met by it: from now on nothing
// lower begins, whether p is let in or not.
func (w *Worker) meet(p place) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.meetHeld(p)
}

// meetHeld is meet under mu.
func (w *Worker) meetHeld(p place) error {
	if p.less(w.met) {
		return protocol.Errorf(protocol.OrderRefused, "orders of generation %d, term %d; this node has met generation %d, term %d", p.generation, p.term, w.met.generation, w.met.term)
	}
	w.met = p
	return nil
}

// enter lets p in, which was met: when no delete of what is lower is under way and
// its generation is durable.
func (w *Worker) enter(ctx context.Context, p place, end time.Time) error {
	durable, err := w.drained(ctx, p, end)
	if err != nil {
		return err
	}
	if !durable {
		if err := w.cfg.Store.Meet(ctx, protocol.Version{Generation: p.generation}); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.meetHeld(p); err != nil {
		return err
	}
	w.admitted = p
	return nil
}

// drained waits until p is let in already or no delete is under way, and tells
// whether p's generation is durable. While something higher than what was let in is
// met, no delete begins, so those under way are lower than it.
func (w *Worker) drained(ctx context.Context, p place, end time.Time) (durable bool, err error) {
	patience := time.NewTimer(time.Until(end))
	defer patience.Stop()
	for {
		ended, durable := w.deletesBefore(p)
		if ended == nil {
			return durable, nil
		}
		select {
		case <-ended:
		case <-patience.C:
			return false, protocol.Errorf(protocol.Busy, "deletes of before generation %d, term %d are still under way; try again later", p.generation, p.term)
		case <-ctx.Done():
			return false, protocol.Errorf(protocol.Busy, "deletes of before generation %d, term %d are still under way; try again later: %w", p.generation, p.term, ctx.Err())
		}
	}
}

// deletesBefore returns what is closed when the deletes under way have ended, nil if
// p need not wait for them.
func (w *Worker) deletesBefore(p place) (ended chan struct{}, durable bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	durable = p.generation <= w.admitted.generation
	if w.deletes == 0 || !w.admitted.less(p) {
		return nil, durable
	}
	if w.ended == nil {
		w.ended = make(chan struct{})
	}
	return w.ended, durable
}

// begin tells whether an order of p, which was let in, may be carried out: nothing
// higher was met since. A delete that may has to be ended with endDelete.
func (w *Worker) begin(p place, isDelete bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.less(w.met) {
		return false
	}
	if isDelete {
		w.deletes++
	}
	return true
}

func (w *Worker) endDelete() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deletes--; w.deletes == 0 && w.ended != nil {
		close(w.ended)
		w.ended = nil
	}
}
