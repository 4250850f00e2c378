package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestDismissWaitsForWhatIsUnderWay: once it has returned, no acknowledgement of the
// admission is still to be counted, and none is begun before the next Adopt.
func TestDismissWaitsForWhatIsUnderWay(t *testing.T) {
	disk := crashfs.New(crashfs.Config{})
	s := openOn(t, disk)
	if err := s.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0}); err != nil {
		t.Fatal(err)
	}
	plain := storetest.Text(1, 100)
	r := store.PutRequest{Hash: protocol.HashOf(plain), Version: version(1), Body: plain, PlainSize: len(plain)}
	writing, goOn := make(chan struct{}), make(chan struct{})
	first := true
	disk.SetHook(func(op crashfs.Op) *crashfs.Fault {
		if first && op.Verb.Changes() {
			first = false
			close(writing)
			<-goOn
		}
		return nil
	})
	claims := make(chan protocol.Claim, 1)
	go func() {
		c, err := s.Put(context.Background(), r)
		if err != nil {
			t.Error(err)
		}
		claims <- c
	}()
	<-writing
	counted := make(chan uint64, 1)
	go func() {
		s.Dismiss()
		counted <- s.Disks()[0].Acks
	}()
	refused := func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		// One that is let in waits for the block's lock.
		_, err := s.Touch(ctx, r.Hash, version(2))
		return protocol.KindOf(err) == protocol.NotRegistered
	}
	for end := time.Now().Add(20 * time.Second); !refused(); {
		if time.Now().After(end) {
			t.Fatal("Dismiss refuses nothing")
		}
	}
	close(goOn)
	if n := <-counted; n != 1 {
		t.Errorf("%d acknowledgements were counted when Dismiss returned, of 1 under way", n)
	}
	if c := <-claims; c.Ack != 1 || c.Incarnation != 1 {
		t.Errorf("what was under way ended with %+v", c)
	}
	if _, err := s.Delete(context.Background(), r.Hash, version(9)); protocol.KindOf(err) != protocol.NotRegistered {
		t.Errorf("a delete without admission: %v", err)
	}
	if _, err := s.Stat(r.Hash); err != nil {
		t.Errorf("a read without admission: %v", err)
	}
	if err := s.Adopt(storetest.Cluster, storetest.Node, 2, []uint32{0}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Touch(context.Background(), r.Hash, version(2)); err != nil || c.Ack != 2 || c.Incarnation != 2 {
		t.Errorf("admitted anew: %+v, %v", c, err)
	}
}
