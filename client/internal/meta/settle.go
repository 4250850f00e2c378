package meta

import (
	"context"
	"time"
)

// quietMoment is how long no upload has to be in flight before sessions that owe
// the word of it are closed. It spares a client that puts in bursts.
const quietMoment = time.Second

// A session whose last request went out beside an upload holds back Reap for that
// upload's sake (reclamation.md, Lag of W), and an idle client sends no request
// that would say that it has ended. So a session that owes this word is closed once
// nothing has been in flight for a moment; the next change opens another. Under load
// something always is in flight, and requests themselves carry the word.

// settleSoon sees to it that sessions that owe the word are closed, if no upload is
// in flight. At most one goroutine of a group is about it.
func (g *Group) settleSoon() {
	g.mu.Lock()
	busy := len(g.uploads) > 0 || g.settling
	g.mu.Unlock()
	if busy || !g.sessions.anyOwes() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.uploads) > 0 || g.settling || g.life.Err() != nil {
		return
	}
	g.settling = true
	g.settlers.Go(g.settle)
}

// settle waits for moments until one passes without an upload. An upload that is in
// flight then ends the wait, and begins it anew with its own end.
func (g *Group) settle() {
	for {
		begun := g.begunUploads()
		g.cfg.Quiet(g.life)
		if g.life.Err() != nil {
			return
		}
		if g.begunUploads() == begun {
			g.closeSessions(g.life, g.sessions.retire(g.idle))
		}
		if g.settled() {
			return
		}
	}
}

// settled ends the wait if there is nothing to wait for. Whoever comes after it
// begins another.
func (g *Group) settled() bool {
	owes := g.sessions.anyOwes()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settling = owes && len(g.uploads) == 0
	return !g.settling
}

func (g *Group) idle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.uploads) == 0
}

func (g *Group) begunUploads() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.begun
}

// owe notes that a request is about to say that an upload is in flight.
func (p *pool) owe(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.owes = true
}

func (p *pool) anyOwes() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		if s.owes {
			return true
		}
	}
	return false
}

// retire takes out the sessions that owe the word and have no request under way, if
// the group is idle. An upload counts before it picks a session, and picks under
// this lock: none loses the session that it has pinned.
func (p *pool) retire(idle func() bool) (retired []*Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !idle() {
		return nil
	}
	kept := p.sessions[:0:0]
	for _, s := range p.sessions {
		if s.owes && s.quiet() {
			s.dead = true
			retired = append(retired, s)
		} else {
			kept = append(kept, s)
		}
	}
	p.sessions = kept
	p.wake()
	return retired
}

// quiet waits for quietMoment or the end of ctx.
func quiet(ctx context.Context) { pause(ctx, quietMoment) }
