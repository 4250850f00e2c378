package state

import (
	"math/bits"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A session is what one opening of it began: its id and the version of that entry.
// Nothing remembers an id that was closed, so that a late copy of an opening opens
// another session of the same id. No call belongs to that one: each carries the
// version that opened its own, and the client that hears of the later version has
// not called yet. It is idle until it expires.

// openSession is idempotent while nothing was asked under the session, so that a
// proposer may repeat it: the answer is the version that opened it.
func (a *applier) openSession(q *record.OpenSession) *record.Result {
	key := keySession(q.Session)
	session := &record.Session{}
	if a.load(key, session) {
		// A row of before sessions kept their opening is nobody's any more.
		if session.Highest == 0 && session.Opened != nil {
			return &record.Result{Version: session.Opened}
		}
		return a.refuse(protocol.PreconditionFailed, "the session is open and in use; draw another id")
	}
	if a.cluster.Counters.Sessions >= protocol.MaxSessions {
		return a.refuse(protocol.LimitExceeded, "%d sessions are open, which is the limit", protocol.MaxSessions)
	}
	a.cluster.Counters.Sessions++
	opened := toPB(a.next())
	a.store(key, &record.Session{LowestUnacked: 1, RenewedUnixMs: a.nowUnixMs, OldestUpload: opened, NoneUploading: true, Opened: opened})
	return a.done()
}

// closeSession ends a session with its results and open uploads. An expiry is
// Changed if the session was used after it was decided on. Either ends whichever
// session the id has now: what a late copy ends is expired to its client, if it has
// one, and nothing runs by it.
func (a *applier) closeSession(q *record.CloseSession) *record.Result {
	key := keySession(q.Session)
	session := &record.Session{}
	if !a.load(key, session) {
		return a.refuse(protocol.SessionExpired, "the session is not open")
	}
	if q.Expire && (session.Highest != q.IfHighest || session.Uses != q.IfUses) {
		return a.refuse(protocol.Changed, "the session was judged idle at sequence %d and %d uses; it is at %d and %d", q.IfHighest, q.IfUses, session.Highest, session.Uses)
	}
	a.forget(q.Session, session.LowestUnacked, session.Done)
	a.next()
	for _, upload := range a.uploadsOf(q.Session) {
		row := &record.Upload{}
		if a.load(keyUpload(upload), row) {
			a.endUpload(upload, row)
		}
	}
	a.delete(key)
	a.cluster.Counters.Sessions--
	return a.done()
}

// once runs a rule at most once for each sequence of a session. Its outcome, a
// refusal included, is the sequence's answer for good; but for Busy, which says
// that nothing ran. Without a call, as by hand, the rule simply runs.
func (a *applier) once(call *pb.Call, rule func() *record.Result) *record.Result {
	if call == nil {
		return rule()
	}
	key := keySession(call.Session)
	session := &record.Session{}
	if !a.load(key, session) {
		return a.refuse(protocol.SessionExpired, "the session is not open; nothing of it will run")
	}
	if opened := fromPB(session.Opened); opened != fromPB(call.Opened) && a.m.holds(SessionOpening) {
		return a.refuse(protocol.SessionExpired, "the session that was opened at version %s has ended, and its id was opened again at %s; nothing of it will run", fromPB(call.Opened), opened)
	}
	lowest := max(session.LowestUnacked, call.LowestUnacked)
	switch {
	case call.Sequence < lowest:
		return a.refuse(protocol.StaleRequest, "sequence %d is below the session's window, which begins at %d", call.Sequence, lowest)
	case executed(session, call.Sequence) && a.m.holds(ExactlyOnce):
		a.use(session)
		a.store(key, session)
		return a.answered(call)
	case call.Sequence-lowest >= protocol.SessionWindow:
		return a.refuse(protocol.LimitExceeded, "sequence %d is beyond the session's window of %d requests from %d", call.Sequence, protocol.SessionWindow, lowest)
	}
	a.asked.session = call.Session
	result := rule()
	if result.Kind == uint32(protocol.Busy) {
		return result
	}
	// The rule may have changed the session's count of uploads.
	*session = record.Session{}
	a.load(key, session)
	a.trim(call.Session, session, lowest)
	session.Done |= 1 << (call.Sequence - lowest)
	session.Highest = max(session.Highest, call.Sequence)
	a.use(session)
	raiseLowWater(session, call, a.version())
	a.store(key, session)
	a.keepResult(call, result)
	return result
}

// use notes that a request of the session was answered: one that is in use is not
// expired.
func (a *applier) use(s *record.Session) {
	s.Uses++
	s.RenewedUnixMs = max(s.RenewedUnixMs, a.nowUnixMs)
}

// executed reports whether sequence, which is not below the window, has a result.
func executed(s *record.Session, sequence uint64) bool {
	at := sequence - s.LowestUnacked
	return at < protocol.SessionWindow && s.Done>>at&1 == 1
}

// answered repeats the kept result. Its text was for people and is gone.
func (a *applier) answered(call *pb.Call) *record.Result {
	key := keyResult(call.Session, call.Sequence)
	result := &record.Result{}
	if !a.load(key, result) {
		a.fail(protocol.Errorf(protocol.Corrupt, "the result row %x is missing", key))
	}
	if result.Kind != 0 {
		result.Detail = "as answered before to this sequence; new facts need a new one"
	}
	return result
}

func (a *applier) keepResult(call *pb.Call, result *record.Result) {
	detail := result.Detail
	result.Detail = ""
	a.store(keyResult(call.Session, call.Sequence), result)
	result.Detail = detail
}

// trim moves the window's begin up to lowest and forgets the results below.
func (a *applier) trim(id []byte, s *record.Session, lowest uint64) {
	if lowest <= s.LowestUnacked {
		return
	}
	gone := s.Done
	if by := lowest - s.LowestUnacked; by < protocol.SessionWindow {
		gone &= 1<<by - 1
		s.Done >>= by
	} else {
		s.Done = 0
	}
	a.forget(id, s.LowestUnacked, gone)
	s.LowestUnacked = lowest
}

// forget deletes the results of gone, a window's bitmap that begins at lowest.
func (a *applier) forget(id []byte, lowest, gone uint64) {
	for ; gone != 0; gone &= gone - 1 {
		a.delete(keyResult(id, lowest+uint64(bits.TrailingZeros64(gone))))
	}
}

// SessionInfo is an open session as the leader needs it to expire idle ones.
type SessionInfo struct {
	Session protocol.ID
	// Highest is the highest sequence executed: an expiry carries it.
	Highest, LowestUnacked uint64
	// Uses is how many requests were answered: an expiry carries it too.
	Uses uint64
	// RenewedUnixMs is a proposer's clock at the last request, for people.
	RenewedUnixMs int64
	// OldestUpload is the low-water mark: no upload below it is in flight.
	OldestUpload protocol.Version
	// NoneUploading: no upload that was begun before its last request is in flight.
	NoneUploading bool
	// Opened is the version that opened it.
	Opened protocol.Version
}

// Sessions returns up to limit open sessions with ids above after.
func Sessions(r Reader, after protocol.ID, limit int) ([]SessionInfo, error) {
	var out []SessionInfo
	var failed error
	lower := append(keySession(after[:]), 0)
	err := r.Scan(lower, keysAbove([]byte{tableSessions}), func(key, value []byte) bool {
		if len(out) >= limit {
			return false
		}
		var s record.Session
		if failed = decode(key, value, &s); failed != nil {
			return false
		}
		out = append(out, SessionInfo{protocol.ID(key[1:]), s.Highest, s.LowestUnacked, s.Uses, s.RenewedUnixMs, fromPB(s.OldestUpload), s.NoneUploading, fromPB(s.Opened)})
		return true
	})
	if err == nil {
		err = failed
	}
	return out, err
}
