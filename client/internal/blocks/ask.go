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

// asks gathers the callers of Live, by bucket.
type asks struct {
	mu sync.Mutex
	// waiting has an entry for each bucket that a goroutine sends requests for.
	waiting map[string][]*question
}

type question struct {
	hash protocol.Hash
	live bool
	done chan struct{}
}

// Live reports whether a commit to bucket needs no upload of h. It is a hint:
// whatever goes wrong is answered with false. Callers for one bucket at the same
// time share requests, and nobody waits for company.
func (f *Fleet) Live(ctx context.Context, bucket string, h protocol.Hash) bool {
	q := &question{hash: h, done: make(chan struct{})}
	f.asks.mu.Lock()
	if f.asks.waiting == nil {
		f.asks.waiting = map[string][]*question{}
	}
	list, running := f.asks.waiting[bucket]
	f.asks.waiting[bucket] = append(list, q)
	f.asks.mu.Unlock()
	if !running {
		f.work.Go(func() { f.answer(bucket) })
	}
	select {
	case <-q.done:
		return q.live
	case <-ctx.Done():
		return false
	}
}

// answer sends batches until nobody waits for bucket.
func (f *Fleet) answer(bucket string) {
	for {
		f.asks.mu.Lock()
		list := f.asks.waiting[bucket]
		n := min(len(list), maxAsk)
		if n == 0 {
			delete(f.asks.waiting, bucket)
			f.asks.mu.Unlock()
			return
		}
		f.asks.waiting[bucket] = list[n:]
		f.asks.mu.Unlock()
		f.prepare(bucket, list[:n:n])
	}
}

func (f *Fleet) prepare(bucket string, batch []*question) {
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.ExchangeTimeout)
	defer cancel()
	packed := make([]byte, 0, len(batch)*protocol.HashSize)
	for _, q := range batch {
		packed = append(packed, q.hash[:]...)
	}
	live, err := f.askPrepare(ctx, bucket, packed)
	for i, q := range batch {
		q.live = err == nil && len(live) == len(batch) && live[i]
		close(q.done)
	}
}

// askPrepare asks which of the packed hashes are live for bucket, and learns what
// else the answer tells.
func (f *Fleet) askPrepare(ctx context.Context, bucket string, packed []byte) ([]bool, error) {
	var a pb.PrepareAnswer
	if err := f.meta.Read(ctx, protocol.PathPrepare, &pb.PrepareRequest{Hashes: packed, Bucket: bucket}, &a); err != nil {
		return nil, err
	}
	f.layouts.heard(a.GetLayoutVersion())
	f.needs.learn(bucket, &a)
	return a.GetLive(), nil
}
