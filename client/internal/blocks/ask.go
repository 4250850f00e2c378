package blocks

import (
	"context"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// maxAsk bounds the hashes of one prepare request; what arrives while one is
// under way shares the next.
const maxAsk = 256

// asks gathers the callers of Live.
type asks struct {
	mu      sync.Mutex
	waiting []*question
	running bool
}

type question struct {
	hash protocol.Hash
	live bool
	done chan struct{}
}

// Live reports whether a commit needs no upload of h. It is a hint: whatever
// goes wrong is answered with false. Callers at the same time share requests,
// and nobody waits for company.
func (f *Fleet) Live(ctx context.Context, h protocol.Hash) bool {
	q := &question{hash: h, done: make(chan struct{})}
	f.asks.mu.Lock()
	f.asks.waiting = append(f.asks.waiting, q)
	start := !f.asks.running
	if start {
		f.asks.running = true
	}
	f.asks.mu.Unlock()
	if start {
		f.work.Go(f.answer)
	}
	select {
	case <-q.done:
		return q.live
	case <-ctx.Done():
		return false
	}
}

// answer sends batches until nobody waits.
func (f *Fleet) answer() {
	for {
		f.asks.mu.Lock()
		n := min(len(f.asks.waiting), maxAsk)
		batch := f.asks.waiting[:n:n]
		f.asks.waiting = f.asks.waiting[n:]
		if n == 0 {
			f.asks.waiting, f.asks.running = nil, false
			f.asks.mu.Unlock()
			return
		}
		f.asks.mu.Unlock()
		f.prepare(batch)
	}
}

func (f *Fleet) prepare(batch []*question) {
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.ExchangeTimeout)
	defer cancel()
	packed := make([]byte, 0, len(batch)*protocol.HashSize)
	for _, q := range batch {
		packed = append(packed, q.hash[:]...)
	}
	var a pb.PrepareAnswer
	err := f.meta.Read(ctx, protocol.PathPrepare, &pb.PrepareRequest{Hashes: packed}, &a)
	if err == nil {
		f.layouts.heard(a.GetLayoutVersion())
	}
	for i, q := range batch {
		q.live = err == nil && len(a.GetLive()) == len(batch) && a.GetLive()[i]
		close(q.done)
	}
}
