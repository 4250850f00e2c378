package dispatch

import (
	"context"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	// sessionPage bounds the sessions that one look reads.
	sessionPage = 1000
	// maxExpiries bounds the sessions that one round ends; more wait for the next.
	maxExpiries = 1000
	// expiryLanes bounds the proposals of a round that are under way at once.
	expiryLanes = 16
)

// idle is what the rounds have seen of one session.
type idle struct {
	highest, uses uint64
	// rounds counts how often in a row the session looked the same.
	rounds int
}

// planExpiry compares the sessions of this round with what earlier rounds saw. A
// session that stood still for the given number of rounds is to be expired. Next
// is what the following round goes by; sessions that are gone are forgotten.
func planExpiry(seen map[protocol.ID]idle, now []state.SessionInfo, rounds int) (next map[protocol.ID]idle, expire []state.SessionInfo) {
	next = make(map[protocol.ID]idle, len(now))
	for _, s := range now {
		was, known := seen[s.Session]
		is := idle{highest: s.Highest, uses: s.Uses}
		if known && was.highest == is.highest && was.uses == is.uses {
			is.rounds = was.rounds + 1
		}
		next[s.Session] = is
		if is.rounds >= rounds && len(expire) < maxExpiries {
			expire = append(expire, s)
		}
	}
	return next, expire
}

// sessions looks at all sessions once a round.
func (l *leading) sessions(ctx context.Context) {
	t := l.cfg.Timing
	round := max(t.SessionIdle/time.Duration(t.SessionRounds), time.Millisecond)
	var seen map[protocol.ID]idle
	for {
		now, err := l.openSessions(ctx)
		if err == nil {
			var expire []state.SessionInfo
			seen, expire = planExpiry(seen, now, t.SessionRounds)
			l.expire(ctx, expire)
		}
		l.complain(ctx, "sessions", err)
		if !pause(ctx, nil, round) {
			return
		}
	}
}

// openSessions reads all sessions, a page at a time, each page from a view of its
// own: they need not be of one moment.
func (l *leading) openSessions(ctx context.Context) ([]state.SessionInfo, error) {
	var all []state.SessionInfo
	var after protocol.ID
	for len(all) < protocol.MaxSessions+sessionPage {
		var page []state.SessionInfo
		err := l.plan(ctx, func(r state.Reader) (err error) {
			page, err = state.Sessions(r, after, sessionPage)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < sessionPage {
			break
		}
		after = page[len(page)-1].Session
	}
	return all, nil
}

// expire proposes the end of each session, with the facts it was decided on: a
// session that was used meanwhile stays.
func (l *leading) expire(ctx context.Context, sessions []state.SessionInfo) {
	lanes := make(chan struct{}, expiryLanes)
	var all sync.WaitGroup
	defer all.Wait()
	for _, s := range sessions {
		select {
		case lanes <- struct{}{}:
		case <-ctx.Done():
			return
		}
		all.Go(func() {
			defer func() { <-lanes }()
			l.expireOne(ctx, s)
		})
	}
}

func (l *leading) expireOne(ctx context.Context, s state.SessionInfo) {
	_, err := l.propose(ctx, &record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{
		Session: s.Session[:], Expire: true, IfHighest: s.Highest, IfUses: s.Uses,
	}}})
	switch protocol.KindOf(err) {
	case 0:
		l.metrics.expired.Inc()
		l.Wake()
	case protocol.Changed, protocol.SessionExpired, protocol.NotFound:
		// It moved, or is gone: the next round sees.
	default:
		l.complain(ctx, "expire session", err)
	}
}
