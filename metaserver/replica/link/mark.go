package link

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// markSize is the length of a Mark as it is sent.
const markSize = 52

// Mark is what a member knows of the digests that are compared: at the last mark
// that it has applied, the digest that it had. Zero: it has applied none. As sent,
// big endian:
//
//	index uint64 │ generation uint32 │ counter uint64 │ digest 32 bytes
type Mark struct {
	// Index is that of the mark's entry; 0: marked by a build that did not keep it.
	Index  uint64
	At     protocol.Version
	Digest protocol.Hash
}

func (m Mark) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, m.Index)
	b = binary.BigEndian.AppendUint32(b, m.At.Generation)
	b = binary.BigEndian.AppendUint64(b, m.At.Counter)
	return append(b, m.Digest[:]...)
}

func parseMark(b [markSize]byte) Mark {
	return Mark{
		Index:  binary.BigEndian.Uint64(b[:]),
		At:     protocol.Version{Generation: binary.BigEndian.Uint32(b[8:]), Counter: binary.BigEndian.Uint64(b[12:])},
		Digest: protocol.Hash(b[20:]),
	}
}

// serveMark answers once; without an answer it hangs up.
func (l *Layer) serveMark(c *conn) {
	m, err := l.cfg.Mark()
	if err != nil {
		l.cfg.Logger.Warn("raft port: no mark to tell", "error", err)
		return
	}
	if err := c.SetDeadline(time.Now().Add(l.cfg.HandshakeTimeout)); err == nil {
		_, _ = c.Write(m.append(nil))
	}
}

// AskMark asks member id at addr for its mark, until ctx ends or HandshakeTimeout
// has passed. A member of a build that does not know the question is Unsupported.
func (l *Layer) AskMark(ctx context.Context, id, addr string) (Mark, error) {
	c, err := l.dial(ctx, addr, id, RoleMark)
	if err != nil {
		return Mark{}, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := c.SetDeadline(l.until(ctx)); err != nil {
		return Mark{}, err
	}
	var b [markSize]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return Mark{}, err
	}
	return parseMark(b), nil
}
