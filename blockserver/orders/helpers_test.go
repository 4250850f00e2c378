package orders_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/orders"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func eventually(done func() bool) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if done() {
			return true
		}
	}
	return done()
}

// ends returns what fn returns, or fails the test if it does not return.
func ends(t *testing.T, what string, fn func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not end", what)
		return nil
	}
}

// bed is a worker over one disk, which has let in term 5 of generation 1.
type bed struct {
	t     *testing.T
	disk  *crashfs.FS
	store *store.Store
	w     *orders.Worker
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, disk: crashfs.New(crashfs.Config{})}
	var err error
	if b.store, err = store.Open(store.Config{Dirs: []store.Dir{{Path: "disk", FS: b.disk}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.store.Close() })
	if err := b.store.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0}); err != nil {
		t.Fatal(err)
	}
	b.w = orders.New(orders.Config{Store: b.store, Logger: slog.New(slog.DiscardHandler)})
	if err := b.w.Admit(context.Background(), &pb.OrdersRequest{Generation: 1, Term: 5}); err != nil {
		t.Fatal(err)
	}
	return b
}

// deletes stores n blocks and orders all of them deleted.
func (b *bed) deletes(n int) *pb.OrdersRequest {
	b.t.Helper()
	q := &pb.OrdersRequest{Generation: 1, Term: 5, SliceMs: 10_000}
	for i := range n {
		plain := storetest.Text(uint64(i), 100)
		h := protocol.HashOf(plain)
		if _, err := b.store.Put(context.Background(), store.PutRequest{Hash: h, Version: protocol.Version{Generation: 1, Counter: 20}, Body: plain, PlainSize: len(plain)}); err != nil {
			b.t.Fatal(err)
		}
		q.Orders = append(q.Orders, &pb.Order{Id: uint64(i + 1), Kind: pb.OrderKind_ORDER_KIND_DELETE, Hash: h[:], Version: &pb.Version{Generation: 1, Counter: 30}})
	}
	return q
}

// hold has the disk stand still with its next change, which begun tells of, until
// goOn is called.
func (b *bed) hold() (begun <-chan struct{}, goOn func()) {
	standing, released := make(chan struct{}), make(chan struct{})
	goOn = sync.OnceFunc(func() { close(released) })
	b.t.Cleanup(goOn)
	first := true
	b.disk.SetHook(func(op crashfs.Op) *crashfs.Fault {
		if first && op.Verb.Changes() {
			first = false
			close(standing)
			<-released
		}
		return nil
	})
	return standing, goOn
}
