package blocks

import (
	"math/bits"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Codec compresses and decompresses whole blocks with pooled state. It is safe
// for concurrent use, by at most as many at once as there are processors.
type Codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// NewCodec returns a codec that compresses fast, with checksums, and decodes
// within protocol.MaxBlockSize, without checking those.
func NewCodec() (*Codec, error) {
	n := runtime.GOMAXPROCS(0)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(n), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	// Whoever decodes a block checks it against its hash, which is the stronger of
	// the two checks; the frame's own is for those who have no hash, as zstd -t.
	dec, err := zstd.NewReader(nil, zstd.IgnoreChecksum(true), zstd.WithDecoderConcurrency(n), zstd.WithDecoderMaxMemory(protocol.MaxBlockSize),
		zstd.WithDecoderMaxWindow(protocol.MaxBlockSize), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &Codec{encoder: enc, decoder: dec}, nil
}

// Encode appends the zstd form of plain to dst. What does not shrink becomes
// raw zstd blocks: at most MaxEncoded(len(plain)) bytes.
func (c *Codec) Encode(dst, plain []byte) []byte { return c.encoder.EncodeAll(plain, dst) }

// MaxEncoded bounds the zstd form of n plain bytes: 3 bytes for each 64 KiB that
// do not shrink, a frame header of up to 18 and a checksum of 4 (RFC 8878).
func MaxEncoded(n int) int { return n + 3*(n>>16+1) + 22 }

// Decode decodes frames into dst[:0] without growing it: what would exceed its
// capacity is SizeExceeded, what is no zstd Corrupt. The caller checks the result
// against the block's hash.
func (c *Codec) Decode(dst, frames []byte) ([]byte, error) {
	out, err := c.decoder.DecodeAll(frames, dst[:0])
	switch {
	case err == zstd.ErrDecoderSizeExceeded || err == zstd.ErrWindowSizeExceeded:
		return nil, protocol.Errorf(protocol.SizeExceeded, "the block decodes to more than its %d bytes", cap(dst))
	case err != nil:
		return nil, protocol.Errorf(protocol.Corrupt, "not the zstd form of a block: %w", err)
	}
	return out, nil
}

// Buffers is a pool of byte slices, in classes of a power of two plus enough
// room that the zstd form of so many bytes still fits (MaxEncoded).
type Buffers struct{ classes [largestClass + 1]sync.Pool }

const (
	smallestClass = 10
	largestClass  = 24
	classRoom     = 1024
)

// Get returns a slice of length n with any content.
func (b *Buffers) Get(n int) []byte {
	c := class(n)
	if c > largestClass {
		return make([]byte, n)
	}
	if p, ok := b.classes[c].Get().(*[]byte); ok {
		return (*p)[:n]
	}
	return make([]byte, n, 1<<c+classRoom)
}

// Put takes back a slice from Get that nobody uses any more.
func (b *Buffers) Put(p []byte) {
	c := class(cap(p))
	if c > largestClass || cap(p) != 1<<c+classRoom {
		return
	}
	p = p[:0]
	b.classes[c].Put(&p)
}

func class(n int) int {
	return max(smallestClass, bits.Len(uint(max(n-classRoom, 1)-1)))
}
