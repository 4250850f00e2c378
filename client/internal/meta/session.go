package meta

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// maxFreshSessions bounds how many sessions one change is begun under, each
// after the one before was certainly never used for it.
const maxFreshSessions = 3

// closeTimeout bounds the close of one session, which is best effort.
const closeTimeout = 2 * time.Second

// Session is one session of the client, open at the metaservers. A caller that
// needs several changes under one session pins it (Group.Pin).
type Session struct {
	id []byte
	// opened is the version that opened it: each call carries it.
	opened *pb.Version

	// Under pool.mu: next is the sequence number to give out, lowest the lowest
	// that is not answered or given up, done those above lowest that are.
	next, lowest uint64
	done         map[uint64]struct{}
	dead         bool
	// owes: the last that the metaservers heard under it may be that an upload is
	// in flight.
	owes bool
}

func (s *Session) free() bool {
	return !s.dead && s.next-s.lowest < protocol.SessionWindow
}

// quiet tells whether every request of the session was answered or given up.
func (s *Session) quiet() bool { return s.next == s.lowest }

// pool gives out sequence numbers of open sessions.
type pool struct {
	max int
	// open returns a session with its id and what opened it.
	open func(context.Context) (*Session, error)

	mu       sync.Mutex
	sessions []*Session
	opening  int
	closed   bool
	// changed is closed, and replaced, whenever a waiter may find something.
	changed chan struct{}
}

func newPool(limit int, open func(context.Context) (*Session, error)) *pool {
	return &pool{max: limit, open: open, changed: make(chan struct{})}
}

// take returns a session with its next sequence number: of pinned, or of any
// session where pinned is nil. It opens a session when every window is full and
// waits when that would be one too many.
func (p *pool) take(ctx context.Context, pinned *Session) (*Session, *pb.Call, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, nil, protocol.Errorf(protocol.Canceled, "the client is closed")
		}
		if pinned != nil && pinned.dead {
			p.mu.Unlock()
			return nil, nil, protocol.Errorf(protocol.SessionExpired, "the session of this upload expired")
		}
		if s := p.pick(pinned); s != nil {
			call := &pb.Call{Session: s.id, Opened: s.opened, Sequence: s.next, LowestUnacked: s.lowest}
			s.next++
			p.mu.Unlock()
			return s, call, nil
		}
		mayOpen := pinned == nil && len(p.sessions)+p.opening < p.max
		if mayOpen {
			p.opening++
		}
		changed := p.changed
		p.mu.Unlock()
		if mayOpen {
			if err := p.openOne(ctx); err != nil {
				return nil, nil, err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, protocol.Errorf(protocol.Canceled, "waiting for a session's window: %w", context.Cause(ctx))
		}
	}
}

func (p *pool) pick(pinned *Session) *Session {
	if pinned != nil {
		if pinned.free() {
			return pinned
		}
		return nil
	}
	for _, s := range p.sessions {
		if s.free() {
			return s
		}
	}
	return nil
}

func (p *pool) openOne(ctx context.Context) error {
	s, err := p.open(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opening--
	if err == nil {
		s.next, s.lowest, s.done = 1, 1, map[uint64]struct{}{}
		p.sessions = append(p.sessions, s)
	}
	p.wake()
	return err
}

// finish marks a sequence number answered or given up. told says that the answer
// was to a request that knew of no upload in flight; beside others, nobody knows
// which the metaservers heard last.
func (p *pool) finish(s *Session, sequence uint64, told bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if told && sequence == s.lowest && s.next == sequence+1 {
		s.owes = false
	}
	s.done[sequence] = struct{}{}
	for {
		if _, ok := s.done[s.lowest]; !ok {
			break
		}
		delete(s.done, s.lowest)
		s.lowest++
	}
	p.wake()
}

// drop forgets a session that the metaservers no longer know.
func (p *pool) drop(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.dead = true
	for i, o := range p.sessions {
		if o == s {
			p.sessions = append(p.sessions[:i:i], p.sessions[i+1:]...)
			break
		}
	}
	p.wake()
}

func (p *pool) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pool) close() []*Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	open := p.sessions
	p.sessions = nil
	p.wake()
	return open
}

// openSession opens a session under an id that is drawn here, so that every retry
// opens the same one. An id whose outcome stays unknown is the next session's: a
// session that nobody owns would hold back Reap until it expires.
func (g *Group) openSession(ctx context.Context) (*Session, error) {
	id := g.takeUnheard()
	if id == nil {
		drawn := g.cfg.DrawID()
		id = drawn[:]
	}
	var ans pb.SessionOpenAnswer
	err, unknown := g.ask(ctx, protocol.PathSessionOpen, &pb.SessionOpenRequest{Session: id}, &ans)
	if err == nil {
		return &Session{id: ans.GetSession(), opened: ans.GetVersion()}, nil
	}
	if unknown {
		g.leaveUnheard(id)
	}
	if protocol.KindOf(err) == protocol.UnknownOutcome {
		return nil, protocol.Errorf(protocol.Unavailable, "no session: %w", err)
	}
	return nil, err
}

// drawID draws an id that nobody else will.
func drawID() (id protocol.ID) {
	// It never fails (crypto/rand.Read).
	_, _ = rand.Read(id[:])
	return id
}

func (g *Group) takeUnheard() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := g.unheard
	g.unheard = nil
	return id
}

func (g *Group) leaveUnheard(id []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unheard = id
}

// Pin returns a session for several changes that must share one, such as the
// pages of an upload. It does not reserve the session.
func (g *Group) Pin(ctx context.Context) (*Session, error) {
	s, call, err := g.sessions.take(ctx, nil)
	if err != nil {
		return nil, err
	}
	g.sessions.finish(s, call.GetSequence(), false)
	return s, nil
}

// Mutate asks for a change, exactly once: build makes the request for a call,
// and every retry repeats that call. pinned may be nil. The error has the kind
// that a server answered; or UnknownOutcome when the change may have happened
// or may happen yet; or Unavailable or Canceled when it certainly will not.
func (g *Group) Mutate(ctx context.Context, pinned *Session, path string, build func(*pb.Call) rpc.Message, ans rpc.Message) error {
	if path == protocol.PathCommit || path == protocol.PathUploadAbort {
		defer g.ending()()
	}
	var last error
	for range maxFreshSessions {
		s, call, err := g.sessions.take(ctx, pinned)
		if err != nil {
			return err
		}
		low, uploading := g.lowWater()
		call.NoneUploading = uploading <= 0
		if !call.NoneUploading {
			g.sessions.owe(s)
		}
		if !low.IsZero() {
			call.OldestUpload = &pb.Version{Generation: low.Generation, Counter: low.Counter}
		}
		err, unknown := g.ask(ctx, path, build(call), ans)
		g.sessions.finish(s, call.GetSequence(), call.NoneUploading && !unknown)
		g.settleSoon()
		kind := protocol.KindOf(err)
		if kind != protocol.SessionExpired && kind != protocol.StaleRequest {
			return err
		}
		g.sessions.drop(s)
		if unknown {
			return protocol.Errorf(protocol.UnknownOutcome, "%s: the session ended before the outcome was known: %w", path, err)
		}
		if pinned != nil {
			return err
		}
		last = err
	}
	return last
}

// Close closes the sessions as far as ctx allows; what it cannot close expires.
func (g *Group) Close(ctx context.Context) error {
	open := g.sessions.close()
	g.end()
	g.settlers.Wait()
	g.closeSessions(ctx, open)
	return nil
}

// closeSessions closes sessions that no request uses any more.
func (g *Group) closeSessions(ctx context.Context, sessions []*Session) {
	var wg sync.WaitGroup
	for _, s := range sessions {
		wg.Go(func() {
			closing, cancel := context.WithTimeout(ctx, closeTimeout)
			defer cancel()
			err, _ := g.ask(closing, protocol.PathSessionClose, &pb.SessionCloseRequest{Session: s.id}, &pb.SessionCloseAnswer{})
			if err != nil {
				g.cfg.Logger.Debug("session left to expire", "err", err)
			}
		})
	}
	wg.Wait()
}
