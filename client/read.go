package client

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client/internal/blocks"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Read gives verified bytes, and io.EOF only after the last byte of the range.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ready(); err != nil {
		return 0, err
	}
	n := copy(p, r.current)
	r.current = r.current[n:]
	r.advance(n)
	return n, nil
}

// WriteTo writes the rest of the range to w, block by block without copying.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var sum int64
	for {
		chunk, whole, err := r.handOver()
		if err == io.EOF {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		n, err := w.Write(chunk)
		sum += int64(n)
		if err == nil && n < len(chunk) {
			err = io.ErrShortWrite
		}
		r.mu.Lock()
		r.advance(n)
		if err != nil && r.err == nil {
			r.err = protocol.Errorf(protocol.Canceled, "the rest was given up when writing failed: %w", err)
		}
		r.mu.Unlock()
		r.client.buffers.Put(whole)
		if err != nil {
			return sum, err
		}
	}
}

// handOver gives the block at hand to the caller, who puts whole back.
func (r *Reader) handOver() (chunk, whole []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ready(); err != nil {
		return nil, nil, err
	}
	chunk, whole = r.current, r.whole
	r.current, r.whole = nil, nil
	return chunk, whole, nil
}

func (r *Reader) advance(n int) {
	r.at += int64(n)
	if r.options.progress != nil && n > 0 {
		r.options.progress(r.at - r.options.offset)
	}
}

// ready makes sure that current has bytes.
func (r *Reader) ready() error {
	if len(r.current) > 0 {
		return nil
	}
	if r.err != nil {
		return r.err
	}
	if r.whole != nil {
		r.client.buffers.Put(r.whole)
		r.whole = nil
	}
	if r.at >= r.limit {
		return io.EOF
	}
	f, err := r.await()
	if err != nil {
		r.err = err
		return err
	}
	r.line = r.line[1:]
	r.settle(f)
	if f.err != nil {
		r.err = f.err
		return r.err
	}
	r.counters.fetched(len(f.plain))
	r.whole = f.plain
	from := r.at - f.extent.offset
	to := min(r.limit-f.extent.offset, int64(len(f.plain)))
	r.current = f.plain[from:to]
	r.fill()
	return nil
}

// await returns the next block when it has come. Once ctx has ended, blocks that
// have come are not given any more.
func (r *Reader) await() (*fetch, error) {
	if r.ctx.Err() == nil {
		r.fill()
		select {
		case <-r.line[0].done:
			return r.line[0], nil
		case <-r.ctx.Done():
		}
	}
	return nil, protocol.Errorf(protocol.Canceled, "reading %s: %w", protocol.Quote(r.name), context.Cause(r.ctx))
}

// settle gives back what f was charged.
func (r *Reader) settle(f *fetch) {
	r.client.getBudget.Release(f.charged)
	f.charged = 0
}

// start begins to fetch f in a goroutine of its own.
func (r *Reader) start(f *fetch) {
	ctx, end, err := r.client.begin(r.ctx)
	if err != nil {
		f.err = err
		close(f.done)
		return
	}
	go func() {
		defer end()
		defer close(f.done)
		f.plain, f.err = r.bring(ctx, f.extent)
	}()
}

// bring fetches one block. When no copy gives it, the object is looked up again:
// copies move, and an object that was replaced is not one that was lost.
func (r *Reader) bring(ctx context.Context, e extent) ([]byte, error) {
	pause := readPause
	for round := 1; ; round++ {
		plain, err := r.client.fleet.Fetch(ctx, e.ref)
		kind := protocol.KindOf(err)
		if err == nil || round == maxReadRounds || kind != protocol.DataLost && kind != protocol.Unavailable {
			return plain, err
		}
		if kind == protocol.Unavailable {
			wait(ctx, pause)
			pause *= 4
		}
		again, changed := r.relocate(ctx, e)
		if changed != nil {
			return nil, changed
		}
		if again == nil || kind == protocol.DataLost && slices.Equal(again, e.ref.Copies) {
			return nil, err
		}
		e.ref.Copies = again
	}
}

// relocate asks for the copies of e again, from the leader. It returns ErrChanged
// if the object is no longer what is being read, and nil copies if nobody knows.
func (r *Reader) relocate(ctx context.Context, e extent) ([]blocks.Copy, error) {
	q := r.ask(e.offset, 1)
	q.Level = pb.Level_LEVEL_LINEARIZABLE
	ans, err := r.client.lookup(ctx, q)
	if k := protocol.KindOf(err); k == protocol.Changed || k == protocol.NotFound {
		return nil, protocol.Errorf(protocol.Changed, "%s was replaced or deleted while version %s was being read", protocol.Quote(r.name), r.object.Version)
	}
	if err != nil {
		return nil, nil
	}
	list, err := extents(ans)
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		if x.offset == e.offset && x.ref.Hash == e.ref.Hash {
			return x.ref.Copies, nil
		}
	}
	return nil, nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Close ends the reading and gives back its memory. It never fails; further
// reads do.
func (r *Reader) Close() error {
	if r.cancel == nil {
		return nil
	}
	r.cancel(protocol.Errorf(protocol.Canceled, "the reader is closed"))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.unlink()
	for _, f := range r.line {
		<-f.done
		r.settle(f)
		if f.plain != nil {
			r.client.buffers.Put(f.plain)
		}
	}
	if r.whole != nil {
		r.client.buffers.Put(r.whole)
	}
	r.line, r.page, r.whole, r.current = nil, nil, nil, nil
	if r.err == nil {
		r.err = protocol.Errorf(protocol.Canceled, "the reader is closed")
	}
	if r.options.stats != nil {
		*r.options.stats = r.counters.snapshot()
	}
	return nil
}
