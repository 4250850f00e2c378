package link

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// serveTerm answers questions until the connection ends.
func (l *Layer) serveTerm(c *conn) {
	var q [termRequestSize]byte
	a := make([]byte, 0, termAnswerSize)
	for {
		if _, err := io.ReadFull(c, q[:]); err != nil {
			return
		}
		a = appendTermAnswer(a[:0], binary.BigEndian.Uint64(q[:]), l.cfg.Term())
		if _, err := c.Write(a); err != nil {
			return
		}
	}
}

// TermConn asks one member for its term, over and over. It is used by one
// goroutine at a time.
type TermConn struct {
	c   *conn
	seq uint64
	buf [termAnswerSize]byte
}

// DialTerm opens a connection of the term role to member id at addr; another
// member there is Unavailable.
func (l *Layer) DialTerm(ctx context.Context, id, addr string) (*TermConn, error) {
	c, err := l.dial(ctx, addr, id, RoleTerm)
	if err != nil {
		return nil, err
	}
	return &TermConn{c: c}, nil
}

// Ask returns what the member says at a moment after Ask was called. After an
// error the TermConn is of no more use.
func (t *TermConn) Ask(timeout time.Duration) (TermAnswer, error) {
	t.seq++
	if err := t.c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return TermAnswer{}, err
	}
	binary.BigEndian.PutUint64(t.buf[:], t.seq)
	if _, err := t.c.Write(t.buf[:termRequestSize]); err != nil {
		return TermAnswer{}, err
	}
	if _, err := io.ReadFull(t.c, t.buf[:]); err != nil {
		return TermAnswer{}, err
	}
	seq, a := parseTermAnswer(t.buf[:])
	if seq != t.seq {
		return TermAnswer{}, protocol.Errorf(protocol.Internal, "raft port: answer %d to question %d", seq, t.seq)
	}
	return a, nil
}

// Close closes the connection.
func (t *TermConn) Close() error { return t.c.Close() }
