package blockfile

import (
	"errors"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// blockTooLong is how the decoder words, without a type, that a block of unknown
// length does not fit what is left. TestAcceptRefuses holds it to that.
const blockTooLong = "bigger than max block size"

// Codec checks and makes stored bytes. It keeps its buffers, so it belongs in a
// pool; it is not safe for concurrent use.
type Codec struct {
	dec   *zstd.Decoder
	enc   *zstd.Encoder
	plain []byte
}

// NewCodec returns a Codec that works in the caller's goroutine only.
func NewCodec() (*Codec, error) {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(protocol.MaxBlockSize),
		zstd.WithDecoderMaxWindow(protocol.MaxBlockSize),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(true),
		zstd.WithZeroFrames(true))
	if err != nil {
		return nil, err
	}
	return &Codec{dec: dec, enc: enc}, nil
}

// Close releases the decoder.
func (c *Codec) Close() { c.dec.Close() }

// Compress appends one zstd frame of plain, with its checksum, to dst. What does
// not shrink becomes raw blocks.
func (c *Codec) Compress(plain, dst []byte) []byte { return c.enc.EncodeAll(plain, dst) }

// CheckPlain verifies a plain body against its hash and declared size; -1 is
// unknown. Errors: TooLarge, ShortBody, SizeExceeded, HashMismatch.
func CheckPlain(h protocol.Hash, body []byte, declared int) error {
	if err := checkDeclared(len(body), declared); err != nil {
		return err
	}
	return h.Verify(body)
}

// Accept verifies a zstd body against its hash and declared size; -1 is unknown
// and bounds it by protocol.MaxBlockSize. It returns the plain bytes, valid until
// the codec is used again, and whether the body can be stored as it is, which
// takes a checksum in every frame. Errors: TooLarge, ShortBody, SizeExceeded,
// HashMismatch, InvalidArgument for what is not zstd, Unsupported for what needs
// a dictionary or too large a window.
func (c *Codec) Accept(h protocol.Hash, body []byte, declared int) (plain []byte, asIs bool, err error) {
	if len(body) > protocol.MaxStoredSize {
		return nil, false, protocol.Errorf(protocol.TooLarge, "a compressed block has at most %d bytes; this one has %d", protocol.MaxStoredSize, len(body))
	}
	if declared > protocol.MaxBlockSize {
		return nil, false, tooLarge(declared)
	}
	l, err := scan(body)
	if err != nil {
		return nil, false, err
	}
	limit := protocol.MaxBlockSize
	if declared >= 0 {
		limit = declared
	}
	if l.declared > uint64(limit) {
		return nil, false, exceeded(limit)
	}
	if l.hasSizes {
		limit = int(l.declared)
	}
	c.plain = slices.Grow(c.plain[:0], limit)
	if plain, err = c.decode(body, c.plain[:0:limit]); err != nil {
		return nil, false, err
	}
	if err = checkDeclared(len(plain), declared); err != nil {
		return nil, false, err
	}
	return plain, l.checksums, h.Verify(plain)
}

// Decode appends the plain bytes of a file's frames to dst, verified against the
// hash; what is wrong with them is Corrupt.
func (c *Codec) Decode(h protocol.Hash, stored []byte, plainSize uint32, dst []byte) ([]byte, error) {
	begin, size := len(dst), int(plainSize)
	if _, err := scan(stored); err != nil {
		return dst, corrupt(err)
	}
	dst = slices.Grow(dst, size)
	out, err := c.decode(stored, dst[:begin:begin+size])
	if err != nil {
		return dst[:begin], corrupt(err)
	}
	if len(out)-begin != size {
		return dst[:begin], protocol.Errorf(protocol.Corrupt, "%d plain bytes where the header says %d", len(out)-begin, size)
	}
	if err := h.Verify(out[begin:]); err != nil {
		return dst[:begin], corrupt(err)
	}
	return dst[:begin+size], nil
}

// Check is Decode without a use for the bytes.
func (c *Codec) Check(h protocol.Hash, stored []byte, plainSize uint32) error {
	plain, err := c.Decode(h, stored, plainSize, c.plain[:0])
	c.plain = plain[:0]
	return err
}

// decode decodes into what capacity dst has left.
func (c *Codec) decode(body, dst []byte) ([]byte, error) {
	out, err := c.dec.DecodeAll(body, dst)
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, zstd.ErrDecoderSizeExceeded) || strings.Contains(err.Error(), blockTooLong):
		return nil, exceeded(cap(dst) - len(dst))
	default:
		return nil, notZstd(err)
	}
}

func checkDeclared(size, declared int) error {
	switch {
	case size > protocol.MaxBlockSize:
		return tooLarge(size)
	case declared > protocol.MaxBlockSize:
		return tooLarge(declared)
	case declared >= 0 && size > declared:
		return exceeded(declared)
	case size < declared:
		return protocol.Errorf(protocol.ShortBody, "%d plain bytes where %d were declared", size, declared)
	}
	return nil
}

func tooLarge(size int) error {
	return protocol.Errorf(protocol.TooLarge, "a block has at most %d plain bytes; this one has %d", protocol.MaxBlockSize, size)
}

func exceeded(limit int) error {
	return protocol.Errorf(protocol.SizeExceeded, "the body decodes to more than %d bytes", limit)
}

func corrupt(err error) error {
	return protocol.Errorf(protocol.Corrupt, "stored bytes: %w", err)
}
