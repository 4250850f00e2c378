package orders_test

import (
	"context"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestAdmissionEndsWithItsRequest: what is higher waits for a delete that does not
// end no longer than its own slice and context, and is Busy. It is not let in over
// the delete, and yet nothing lower begins any more.
func TestAdmissionEndsWithItsRequest(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		q    *pb.OrdersRequest
	}{
		{"slice", context.Background(), &pb.OrdersRequest{Generation: 1, Term: 6, SliceMs: 1}},
		{"context", canceled, &pb.OrdersRequest{Generation: 1, Term: 6, SliceMs: 10_000}},
		{"generation", canceled, &pb.OrdersRequest{Generation: 2, Term: 1, SliceMs: 10_000}},
	} {
		t.Run(tc.name, func(t *testing.T) { admissionEnds(t, tc.ctx, tc.q) })
	}
}

func admissionEnds(t *testing.T, ctx context.Context, higher *pb.OrdersRequest) {
	b := newBed(t)
	lower := b.deletes(2)
	first, second := &pb.OrdersRequest{Generation: 1, Term: 5, Orders: lower.Orders[:1]}, &pb.OrdersRequest{Generation: 1, Term: 5, Orders: lower.Orders[1:]}
	begun, goOn := b.hold()
	answered := make(chan error, 1)
	go func() {
		_, err := b.w.Carry(context.Background(), first)
		answered <- err
	}()
	<-begun
	for range 10 {
		if err := ends(t, "an admission", func() error { return b.w.Admit(ctx, higher) }); protocol.KindOf(err) != protocol.Busy {
			t.Errorf("let in over a delete that is under way: %v", err)
		}
		if err := ends(t, "a batch", func() error { _, err := b.w.Carry(ctx, higher); return err }); protocol.KindOf(err) != protocol.Busy {
			t.Errorf("carried out over a delete that is under way: %v", err)
		}
	}
	err := ends(t, "a lower batch", func() error { _, err := b.w.Carry(context.Background(), second); return err })
	if protocol.KindOf(err) != protocol.OrderRefused {
		t.Errorf("a batch of before: %v", err)
	}
	goOn()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	higher.SliceMs = 10_000
	if err := ends(t, "an admission", func() error { return b.w.Admit(context.Background(), higher) }); err != nil {
		t.Errorf("when the delete has ended: %v", err)
	}
	if n := b.store.Disks()[0].Blocks; n != 1 {
		t.Errorf("%d files are left of two, one of which was deleted before", n)
	}
}

// TestAdmissionHoldsASlot: those that wait to be let in are as few as batches.
func TestAdmissionHoldsASlot(t *testing.T) {
	b := newBed(t)
	q := b.deletes(4)
	begun, goOn := b.hold()
	answered := make(chan error, 4)
	for _, o := range q.Orders {
		go func() {
			_, err := b.w.Carry(context.Background(), &pb.OrdersRequest{Generation: 1, Term: 5, Orders: []*pb.Order{o}})
			answered <- err
		}()
	}
	<-begun
	if !eventually(func() bool { return b.w.FreeSlots() == 0 }) {
		t.Fatal("the batches hold no slots")
	}
	same := &pb.OrdersRequest{Generation: 1, Term: 5}
	if err := ends(t, "an admission", func() error { return b.w.Admit(context.Background(), same) }); protocol.KindOf(err) != protocol.Busy {
		t.Errorf("one more than there are slots: %v", err)
	}
	goOn()
	for range q.Orders {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	if err := b.w.Admit(context.Background(), same); err != nil || b.w.FreeSlots() != 256 {
		t.Errorf("when the batches have ended: %v, %d slots", err, b.w.FreeSlots())
	}
}
