package cut

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/bits"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	// Registers FastCDC, which is how that library is extended.
	_ "github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	// firstRead is what is read before a whole block's buffer is taken, because
	// most streams are short.
	firstRead = 64 << 10
	// MinByContent is the least block size that content can be cut to.
	MinByContent = 4 << 10
)

// Pool hands out byte slices and takes them back.
type Pool interface {
	Get(n int) []byte
	Put(p []byte)
}

// Config describes a Cutter. All but ByContent are required.
type Config struct {
	Source io.Reader
	// Size is the length of every piece but the last, or with ByContent the
	// largest.
	Size      int
	ByContent bool
	Budget    *Budget
	Pool      Pool
}

// Cutter cuts one stream. It is not safe for concurrent use.
type Cutter struct {
	cfg    Config
	offset int64
	// more tells whether the stream goes on, fill returns the next piece in a
	// buffer, maybe with io.EOF.
	more  func() (bool, error)
	fill  func() ([]byte, error)
	ended bool
}

// New returns a cutter. The error is InvalidArgument.
func New(cfg Config) (*Cutter, error) {
	k := &Cutter{cfg: cfg}
	if cfg.ByContent {
		return k, k.byContent()
	}
	k.fixed()
	return k, nil
}

// fixed fills buffers of the block size; only the first begins smaller.
func (k *Cutter) fixed() {
	in := bufio.NewReaderSize(k.cfg.Source, 16)
	k.more = func() (bool, error) {
		_, err := in.Peek(1)
		if err == io.EOF {
			return false, nil
		}
		return err == nil, err
	}
	k.fill = func() ([]byte, error) {
		want := k.cfg.Size
		if k.offset == 0 {
			want = min(want, firstRead)
		}
		buf := k.cfg.Pool.Get(want)
		n, err := io.ReadFull(in, buf)
		if err == nil && want < k.cfg.Size {
			whole := k.cfg.Pool.Get(k.cfg.Size)
			copy(whole, buf)
			k.cfg.Pool.Put(buf)
			buf = whole
			n, err = io.ReadFull(in, buf[want:])
			n += want
		}
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		return buf[:n], err
	}
}

// byContent copies what FastCDC cuts out of its own buffer.
func (k *Cutter) byContent() error {
	size := k.cfg.Size
	if size < MinByContent {
		return protocol.Errorf(protocol.InvalidArgument, "cutting by content needs blocks of at least %d bytes, not %d", MinByContent, size)
	}
	normal := 1 << (bits.Len(uint(size)) - 2)
	opts := &chunkers.ChunkerOpts{MinSize: normal / 2, NormalSize: normal, MaxSize: size}
	// The name pins the cutting: another one would find no block again.
	chunker, err := chunkers.NewChunkerBuffer("fastcdc-v1.0.0", k.cfg.Source, opts, make([]byte, size))
	if err != nil {
		return protocol.Errorf(protocol.InvalidArgument, "cutting by content: %w", err)
	}
	var chunk []byte
	var end error
	k.more = func() (bool, error) {
		if chunk == nil && end == nil {
			chunk, end = chunker.Next()
		}
		if end != nil && end != io.EOF {
			return false, end
		}
		return len(chunk) > 0, nil
	}
	k.fill = func() ([]byte, error) {
		if _, err := k.more(); err != nil {
			return nil, err
		}
		buf := k.cfg.Pool.Get(len(chunk))
		copy(buf, chunk)
		chunk = nil
		return buf, end
	}
	return nil
}

// Offset returns how many bytes were cut so far.
func (k *Cutter) Offset() int64 { return k.offset }

// More tells whether another piece follows. It may wait for the source, never
// for the budget. An error of the source is returned wrapped.
func (k *Cutter) More() (bool, error) {
	if k.ended {
		return false, nil
	}
	more, err := k.more()
	if err != nil {
		return false, fmt.Errorf("reading the source at byte %d: %w", k.offset, err)
	}
	return more, nil
}

// Next returns the next piece, or io.EOF after the last. It waits for budget
// before it fills a buffer; the caller takes over both. An error of the source
// is returned wrapped.
func (k *Cutter) Next(ctx context.Context) (*Piece, error) {
	more, err := k.More()
	if err != nil {
		return nil, err
	}
	if !more {
		return nil, io.EOF
	}
	cost, err := k.cfg.Budget.Take(ctx, k.cfg.Size)
	if err != nil {
		return nil, err
	}
	plain, err := k.fill()
	k.ended = err != nil
	if err != nil && err != io.EOF {
		k.cfg.Pool.Put(plain)
		k.cfg.Budget.Give(cost)
		return nil, fmt.Errorf("reading the source at byte %d: %w", k.offset+int64(len(plain)), err)
	}
	p := &Piece{Offset: k.offset, Plain: plain, Cost: cost}
	k.cfg.Budget.Shrink(p, len(plain))
	k.offset += int64(len(plain))
	return p, nil
}
