package store

import (
	"context"
	"runtime"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	lockShards = 64
	// maxSound bounds the hashes remembered as verified, twice; forgetting one
	// costs another verification.
	maxSound = 1 << 19
	// codecsPerCPU bounds the bodies being checked at once. Each codec keeps a
	// buffer of up to protocol.MaxBlockSize.
	codecsPerCPU = 2
)

// locks is a mutex per hash, for as long as somebody wants it.
type locks struct {
	shards [lockShards]struct {
		sync.Mutex
		held map[protocol.Hash]*lock
	}
}

type lock struct {
	users int
	turn  chan struct{}
}

func newLocks() *locks {
	l := &locks{}
	for i := range l.shards {
		l.shards[i].held = map[protocol.Hash]*lock{}
	}
	return l
}

// lock waits for h's turn and returns what ends it.
func (l *locks) lock(ctx context.Context, h protocol.Hash) (unlock func(), err error) {
	shard := &l.shards[int(h[0])%lockShards]
	shard.Lock()
	mine := shard.held[h]
	if mine == nil {
		mine = &lock{turn: make(chan struct{}, 1)}
		shard.held[h] = mine
	}
	mine.users++
	shard.Unlock()
	leave := func() {
		shard.Lock()
		defer shard.Unlock()
		if mine.users--; mine.users == 0 {
			delete(shard.held, h)
		}
	}
	select {
	case mine.turn <- struct{}{}:
		return func() { <-mine.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, canceled(ctx.Err())
	}
}

// sound remembers the hashes whose file on this node was verified, and whose
// bytes, name and version slot were all written or synced, since this start.
type sound struct {
	mu       sync.Mutex
	now, old map[protocol.Hash]*disk
}

func newSound() *sound { return &sound{now: map[protocol.Hash]*disk{}} }

func (s *sound) has(h protocol.Hash, d *disk) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on, found := s.now[h]; found {
		return on == d
	}
	return s.old[h] == d
}

func (s *sound) add(h protocol.Hash, d *disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.now) >= maxSound {
		s.now, s.old = map[protocol.Hash]*disk{}, s.now
	}
	s.now[h] = d
}

func (s *sound) remove(h protocol.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.now, h)
	delete(s.old, h)
}

// codecs is a pool with a limit: who finds none free waits.
type codecs struct {
	free chan *blockfile.Codec
}

func newCodecs() (*codecs, error) {
	n := codecsPerCPU * runtime.GOMAXPROCS(0)
	c := &codecs{free: make(chan *blockfile.Codec, n)}
	for range n {
		codec, err := blockfile.NewCodec()
		if err != nil {
			return nil, err
		}
		c.free <- codec
	}
	return c, nil
}

func (c *codecs) get(ctx context.Context) (*blockfile.Codec, error) {
	select {
	case codec := <-c.free:
		return codec, nil
	case <-ctx.Done():
		return nil, canceled(ctx.Err())
	}
}

func (c *codecs) put(codec *blockfile.Codec) { c.free <- codec }

// close ends the codecs that are free; all are once no operation runs. A Block
// that outlives the store gets a closed one and an error.
func (c *codecs) close() {
	for range cap(c.free) {
		codec := <-c.free
		codec.Close()
		c.free <- codec
	}
}

// maxPooledBuffer keeps rare large blocks from staying in memory.
const maxPooledBuffer = 2 * protocol.DefaultBlockSize

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooledBuffer {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
