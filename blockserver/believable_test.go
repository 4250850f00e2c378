package blockserver

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// asker counts how many requests have come to wait for their turn to ask.
type asker struct {
	context.Context
	waiting *atomic.Int32
}

func (a asker) Done() <-chan struct{} {
	a.waiting.Add(1)
	return a.Context.Done()
}

// Requests that wait together for the same version ask the metaservers once.
func TestWaitersForAVersionAskOnce(t *testing.T) {
	t.Parallel()
	const requests = 40
	r := newRegistrar(t)
	n := start(t, configFor(t, r.addr))
	n.waitReady()
	n.asking <- struct{}{} // somebody asks
	var waiting atomic.Int32
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			ctx := asker{context.Background(), &waiting}
			if err := n.believable(ctx, protocol.Version{Generation: 1, Counter: latest}); err != nil {
				t.Error(err)
			}
		})
	}
	if !eventually(func() bool { return waiting.Load() >= requests }) {
		t.Error("not all come to wait")
	}
	<-n.asking
	all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepares != 1 {
		t.Errorf("%d requests at one new version asked %d times", requests, r.prepares)
	}
}
