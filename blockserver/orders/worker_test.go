package orders_test

import (
	"context"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/orders"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A batch does not outlive its generation or term: what it has not begun when a
// higher one is met is handed back, and a delete that was begun has ended by then.
func TestBatchEndsWithItsGeneration(t *testing.T) {
	for _, tc := range []struct {
		name       string
		generation uint32
		term       uint64
	}{{"generation", 2, 1}, {"term", 1, 6}} {
		t.Run(tc.name, func(t *testing.T) { batchEnds(t, tc.generation, tc.term) })
	}
}

func batchEnds(t *testing.T, generation uint32, term uint64) {
	ctx := context.Background()
	b := newBed(t)
	w, s := b.w, b.store
	q := b.deletes(orders.MaxBatch)
	begun, goOn := b.hold()
	answered := make(chan *pb.OrdersAnswer, 1)
	go func() {
		a, err := w.Carry(ctx, q)
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	<-begun
	files := make(chan uint64, 1)
	go func() {
		if err := w.Admit(ctx, &pb.OrdersRequest{Generation: generation, Term: term, SliceMs: 10_000}); err != nil {
			t.Error(err)
		}
		files <- s.Disks()[0].Blocks
	}()
	// The higher one waits for the deletes under way, and no more are begun behind it.
	if !eventually(func() bool { return orders.AdmissionWaits(w) }) {
		t.Error("what is higher is let in over a delete that is under way")
	}
	goOn()
	admitted := <-files
	a := <-answered
	done, back := uint64(0), uint64(0)
	for _, o := range a.GetAnswers() {
		switch o.GetOutcome() {
		case pb.Outcome_OUTCOME_NONE_BELOW:
			done++
		case pb.Outcome_OUTCOME_HANDED_BACK:
			back++
		default:
			t.Errorf("answered %v", o)
		}
	}
	if back == 0 || done+back != orders.MaxBatch || s.Disks()[0].Blocks != back || admitted != back {
		t.Errorf("%d deleted, %d handed back, %d files when the higher one was let in, %d in the end", done, back, admitted, s.Disks()[0].Blocks)
	}
	if _, err := w.Carry(ctx, q); protocol.KindOf(err) != protocol.OrderRefused {
		t.Errorf("the batch again: %v", err)
	}
}
