package blockserver

import (
	"sync"
	"sync/atomic"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// leaseSizes are the sizes of pooled buffers: a small one, the SDK's default
// block and two steps to the largest stored form, each with room for what zstd
// adds to bytes that do not shrink.
var leaseSizes = [...]int{64 << 10, protocol.DefaultBlockSize + 64<<10, 4<<20 + 64<<10, protocol.MaxStoredSize + 4<<10}

// memory is the budget of bytes for blocks in flight, and the buffers charged
// to it. It never waits: at the limit it answers Busy.
type memory struct {
	limit int64
	used  atomic.Int64
	pools [len(leaseSizes)]sync.Pool
}

// charge takes n bytes of the budget, all or nothing.
func (m *memory) charge(n int) error {
	if m.used.Add(int64(n)) > m.limit {
		m.used.Add(-int64(n))
		return protocol.Errorf(protocol.Busy, "the memory for blocks in flight (%d bytes) is taken; try again later", m.limit)
	}
	return nil
}

func (m *memory) discharge(n int) { m.used.Add(-int64(n)) }

// lease is a buffer that is charged until release.
type lease struct {
	buf   []byte
	from  *memory
	class int
}

// lease returns a buffer of at least n bytes; TooLarge beyond the largest size.
func (m *memory) lease(n int) (*lease, error) {
	class := 0
	for class < len(leaseSizes)-1 && leaseSizes[class] < n {
		class++
	}
	if n > leaseSizes[class] {
		return nil, protocol.Errorf(protocol.TooLarge, "a block in flight has at most %d bytes, not %d", leaseSizes[class], n)
	}
	if err := m.charge(leaseSizes[class]); err != nil {
		return nil, err
	}
	if l, ok := m.pools[class].Get().(*lease); ok {
		return l, nil
	}
	return &lease{buf: make([]byte, leaseSizes[class]), from: m, class: class}, nil
}

// release ends the lease; the buffer must not be used after it.
func (l *lease) release() {
	l.from.discharge(len(l.buf))
	l.from.pools[l.class].Put(l)
}

// grow moves a full buffer's bytes into the next larger one. It releases old,
// also when it fails.
func (m *memory) grow(old *lease) (*lease, error) {
	defer old.release()
	next, err := m.lease(len(old.buf) + 1)
	if err != nil {
		return nil, err
	}
	copy(next.buf, old.buf)
	return next, nil
}
