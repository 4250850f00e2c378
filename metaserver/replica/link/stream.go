package link

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Stream is raft's view of a Layer, for the life of one raft transport: it can be
// closed, and another one opened, while the port stays.
type Stream struct {
	layer *Layer
	done  chan struct{}
	once  sync.Once
}

var _ raft.StreamLayer = (*Stream)(nil)

// Stream returns a new view. One at a time is in use.
func (l *Layer) Stream() *Stream { return &Stream{layer: l, done: make(chan struct{})} }

// Accept hands raft the next connection of its role, its hellos done.
func (s *Stream) Accept() (net.Conn, error) {
	select {
	case c := <-s.layer.accept:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	case <-s.layer.done:
		return nil, net.ErrClosed
	}
}

// Addr is the advertised address, as raft tells it to others.
func (s *Stream) Addr() net.Addr { return s.layer.Addr() }

// Close ends Accept; the port and its connections stay.
func (s *Stream) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Dial opens a connection of raft's role, to the member that the address belongs
// to where that is known.
func (s *Stream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	want := ""
	if id, known := s.layer.cfg.Expect(string(addr)); known {
		want = id
	}
	c, err := s.layer.dial(ctx, string(addr), want, RoleRaft)
	if err != nil {
		return nil, err
	}
	return c, nil
}
