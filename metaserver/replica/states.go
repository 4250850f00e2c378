package replica

import (
	"errors"
	"os"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// generation is one state folder, open. A restore makes another one; the old one
// stays until its last reader has closed.
type generation struct {
	dir     string
	table   *table.Pebble
	machine *state.Machine
	// refs counts the moments, and one more while the generation is current.
	refs int
	// remove says to delete the folder with the last reference.
	remove bool
}

// close closes a generation that nobody reads; nil has nothing to close.
func (g *generation) close() error {
	if g == nil {
		return nil
	}
	return g.table.Close()
}

// moment is one View of a generation, shared by every reader that came between
// two applied batches.
type moment struct {
	state.View
	of   *generation
	refs int
}

// states holds the current generation and counts who reads which. Only the
// applier replaces a generation or touches its machine.
type states struct {
	mu      sync.Mutex
	current *generation
	shared  *moment
	closed  bool
	// idle is closed when the last generation has been closed after close.
	open int
	idle chan struct{}
	errs []error
}

func newStates(g *generation) *states {
	g.refs = 1
	return &states{current: g, open: 1, idle: make(chan struct{})}
}

// view returns the present moment of the current generation.
func (s *states) view() (state.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed()
	}
	if s.shared == nil {
		s.shared = &moment{View: s.current.table.View(), of: s.current, refs: 1}
		s.current.refs++
	}
	s.shared.refs++
	return &reading{moment: s.shared, states: s}, nil
}

// applied lets the next reader see what has been written. It comes after the
// write and before anybody is told of it.
func (s *states) applied() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropShared()
}

func (s *states) dropShared() {
	if m := s.shared; m != nil {
		s.shared = nil
		s.dropMoment(m)
	}
}

func (s *states) dropMoment(m *moment) {
	if m.refs--; m.refs == 0 {
		s.errs = append(s.errs, m.View.Close())
		s.drop(m.of)
	}
}

// drop gives one reference back and closes the generation with the last one.
func (s *states) drop(g *generation) {
	if g.refs--; g.refs > 0 {
		return
	}
	s.errs = append(s.errs, g.table.Close())
	if g.remove {
		s.errs = append(s.errs, os.RemoveAll(g.dir))
	}
	if s.open--; s.open == 0 && s.closed {
		close(s.idle)
	}
}

// replace makes g the current generation and lets go of the one before, whose
// folder goes with its last reader.
func (s *states) replace(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.refs = 1
	s.open++
	old := s.current
	s.current = g
	s.dropShared()
	old.remove = true
	s.drop(old)
}

// close refuses new readers and returns once every table is closed: when the last
// reader has, or when giveUp ends.
func (s *states) close(giveUp <-chan struct{}) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.dropShared()
		s.drop(s.current)
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
	case <-giveUp:
		return protocol.Errorf(protocol.Unavailable, "replica: views are still open")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errs...)
}

// reading is one caller's hold on a shared moment.
type reading struct {
	*moment
	states *states
	once   sync.Once
}

// Close gives the hold back; it is idempotent.
func (v *reading) Close() error {
	v.once.Do(func() {
		v.states.mu.Lock()
		defer v.states.mu.Unlock()
		v.states.dropMoment(v.moment)
	})
	return nil
}

func errClosed() error { return protocol.Errorf(protocol.Unavailable, "replica: closed") }
