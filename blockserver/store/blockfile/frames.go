package blockfile

import (
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// MaxFrames bounds the zstd frames of one body: parallel compressors write one
// for every part of some 512 KiB; the bound keeps empty frames from costing time.
const MaxFrames = 128

const (
	blockHeaderSize = 3
	checksumSize    = 4
	blockRLE        = 1
	blockReserved   = 3
)

// layout is what a body's frames say about themselves, without decoding.
type layout struct {
	// declared is the sum of the content sizes, if every frame has one.
	declared   uint64
	hasSizes   bool
	checksums  bool
	frameCount int
}

// scan walks a body's frames by their headers (RFC 8878, 3.1.1). A byte that
// belongs to no frame, a frame without content (skippable), one that is cut
// short, or more than MaxFrames, is InvalidArgument; a dictionary or a window
// above protocol.MaxBlockSize is Unsupported.
func scan(body []byte) (layout, error) {
	l := layout{hasSizes: true, checksums: true}
	for len(body) > 0 || l.frameCount == 0 {
		if l.frameCount++; l.frameCount > MaxFrames {
			return layout{}, protocol.Errorf(protocol.InvalidArgument, "a zstd body has at most %d frames", MaxFrames)
		}
		var head zstd.Header
		if err := head.Decode(body); err != nil {
			return layout{}, notZstd(err)
		}
		if err := check(&head); err != nil {
			return layout{}, err
		}
		rest, err := skipBlocks(body[head.HeaderSize:])
		if err != nil {
			return layout{}, err
		}
		if head.HasCheckSum {
			if len(rest) < checksumSize {
				return layout{}, notZstd(io.ErrUnexpectedEOF)
			}
			rest = rest[checksumSize:]
		}
		l.declared += min(head.FrameContentSize, protocol.MaxBlockSize+1)
		l.hasSizes = l.hasSizes && head.HasFCS
		l.checksums = l.checksums && head.HasCheckSum
		body = rest
	}
	return l, nil
}

func check(head *zstd.Header) error {
	switch {
	case head.Skippable:
		return protocol.Errorf(protocol.InvalidArgument, "a zstd body has no skippable frames")
	case head.DictionaryID != 0:
		return protocol.Errorf(protocol.Unsupported, "the body needs zstd dictionary %d; blocks are compressed without", head.DictionaryID)
	case head.WindowSize > protocol.MaxBlockSize:
		return protocol.Errorf(protocol.Unsupported, "the body's zstd window is %d bytes; at most %d are decoded", head.WindowSize, protocol.MaxBlockSize)
	}
	return nil
}

// skipBlocks returns what follows the last block of a frame.
func skipBlocks(in []byte) ([]byte, error) {
	for last := false; !last; {
		if len(in) < blockHeaderSize {
			return nil, notZstd(io.ErrUnexpectedEOF)
		}
		head := uint32(in[0]) | uint32(in[1])<<8 | uint32(in[2])<<16
		last = head&1 != 0
		kind, size := head>>1&3, int(head>>3)
		switch kind {
		case blockRLE:
			size = 1
		case blockReserved:
			return nil, notZstd(errors.New("reserved block type"))
		}
		if len(in)-blockHeaderSize < size {
			return nil, notZstd(io.ErrUnexpectedEOF)
		}
		in = in[blockHeaderSize+size:]
	}
	return in, nil
}

func notZstd(err error) error {
	return protocol.Errorf(protocol.InvalidArgument, "the body is not whole zstd frames: %v", err)
}
