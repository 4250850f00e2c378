package meta

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// servers is a Caller of fake metaservers: silent ones let every attempt time out,
// the leader answers, the others name whom they take for the leader.
type servers struct {
	mu     sync.Mutex
	leader string
	silent []string
	hint   string
	asked  []string
	calls  []*pb.Call
	// each, if set, is called with the number of every attempt.
	each func(n int)
}

func (s *servers) Call(ctx context.Context, addr, path string, req, ans rpc.Message) error {
	s.mu.Lock()
	if path == protocol.PathDelete {
		s.asked = append(s.asked, addr)
		s.calls = append(s.calls, req.(*pb.DeleteRequest).GetCall())
		if s.each != nil {
			s.each(len(s.asked))
		}
	}
	silent, leads, hint := slices.Contains(s.silent, addr), addr == s.leader, s.hint
	s.mu.Unlock()
	switch {
	case silent:
		<-ctx.Done()
		return protocol.Errorf(protocol.UnknownOutcome, "%w", ctx.Err())
	case !leads:
		return &protocol.Error{Kind: protocol.NotLeader, Detail: "a follower", Leader: hint}
	}
	if open, is := ans.(*pb.SessionOpenAnswer); is {
		open.Session = req.(*pb.SessionOpenRequest).GetSession()
	}
	return nil
}

func (s *servers) take() (asked []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, s.asked, s.calls = s.asked, nil, nil
	return asked
}

func newServers(t *testing.T) (*servers, *Group) {
	t.Helper()
	s := &servers{leader: "a", hint: "a"}
	g, err := NewGroup(Config{
		Caller: s, Endpoints: []string{"a", "b", "c"}, AttemptTimeout: time.Millisecond, Pause: func(context.Context, time.Duration) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	if err := g.testDelete(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.take()
	return s, g
}

// TestSilentLeader: a leader that lets attempts time out is asked once, and again
// only after those that answer, though they name it; the next request does not begin
// with it. All of it is one call.
func TestSilentLeader(t *testing.T) {
	s, g := newServers(t)
	s.silent = []string{"a"}
	s.each = func(n int) {
		if n == 5 {
			s.leader, s.hint = "c", "c"
		}
	}
	if err := g.testDelete(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.calls {
		if !slices.Equal(c.GetSession(), s.calls[0].GetSession()) || c.GetSequence() != s.calls[0].GetSequence() {
			t.Errorf("one change was sent as %v and %v", s.calls[0], c)
		}
	}
	if got, want := s.take(), []string{"a", "b", "c", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
	s.each, s.leader, s.hint = nil, "b", "b"
	g.prefer("a")
	if err := g.testDelete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.take(); got[0] != "b" || len(got) != 1 {
		t.Errorf("with a silent one preferred, asked %v", got)
	}
}

// TestSilentLeaderSpeaksAgain: it was only slow. It is asked when the others have no
// better, and first from then on.
func TestSilentLeaderSpeaksAgain(t *testing.T) {
	s, g := newServers(t)
	g.fellSilent("a")
	for _, want := range [][]string{{"b", "c", "a"}, {"a"}} {
		if err := g.testDelete(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.take(); !slices.Equal(got, want) {
			t.Errorf("asked %v, want %v", got, want)
		}
	}
}

// TestCancelIsNotSilence: who gave up did not find out whether the server is well.
func TestCancelIsNotSilence(t *testing.T) {
	s, g := newServers(t)
	g.cfg.AttemptTimeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	s.silent = []string{"a"}
	s.each = func(int) { cancel() }
	if err := g.testDelete(ctx); protocol.KindOf(err) != protocol.UnknownOutcome {
		t.Errorf("canceled under way: %v", err)
	}
	if g.isSilent("a") {
		t.Error("the server counts as silent")
	}
}

// TestAllSilent: every one is asked in turn, with more time each time, until the
// time of the request is used up.
func TestAllSilent(t *testing.T) {
	s, g := newServers(t)
	s.silent = []string{"a", "b", "c"}
	if err := g.testDelete(t.Context()); protocol.KindOf(err) != protocol.UnknownOutcome {
		t.Errorf("nobody answers: %v", err)
	}
	for i, addr := range s.take()[:30] {
		if addr != []string{"a", "b", "c"}[i%3] {
			t.Errorf("attempt %d went to %s", i, addr)
		}
	}
	g.cfg.AttemptTimeout = 3 * probeTimeout
	w := g.newWalk()
	for _, want := range []time.Duration{probeTimeout, 2 * probeTimeout, 3 * probeTimeout} {
		if got := w.timeout(1); got != want {
			t.Errorf("an attempt may take %v, want %v", got, want)
		}
	}
}
