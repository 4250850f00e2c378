package orders_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/orders"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
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
	disk := crashfs.New(crashfs.Config{})
	s, err := store.Open(store.Config{Dirs: []store.Dir{{Path: "disk", FS: disk}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0}); err != nil {
		t.Fatal(err)
	}
	w := orders.New(orders.Config{Store: s, Logger: slog.New(slog.DiscardHandler)})
	q := &pb.OrdersRequest{Generation: 1, Term: 5, SliceMs: 10_000}
	var last protocol.Hash
	for i := range orders.MaxBatch {
		plain := storetest.Text(uint64(i), 100)
		last = protocol.HashOf(plain)
		if _, err := s.Put(ctx, store.PutRequest{Hash: last, Version: protocol.Version{Generation: 1, Counter: 20}, Body: plain, PlainSize: len(plain)}); err != nil {
			t.Fatal(err)
		}
		q.Orders = append(q.Orders, &pb.Order{Id: uint64(i + 1), Kind: pb.OrderKind_ORDER_KIND_DELETE, Hash: append([]byte(nil), last[:]...), Version: &pb.Version{Generation: 1, Counter: 30}})
	}
	if err := w.Admit(ctx, 1, 5); err != nil {
		t.Fatal(err)
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	first := true
	disk.SetHook(func(op crashfs.Op) *crashfs.Fault {
		if first && op.Verb.Changes() {
			first = false
			close(begun)
			<-goOn
		}
		return nil
	})
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
		if err := w.Admit(ctx, generation, term); err != nil {
			t.Error(err)
		}
		files <- s.Disks()[0].Blocks
	}()
	// The higher one waits for the deletes under way, and no more are begun behind it.
	if !eventually(func() bool { return orders.AdmissionWaits(w) }) {
		t.Error("what is higher is let in over a delete that is under way")
	}
	close(goOn)
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
