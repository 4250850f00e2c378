package meta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a Caller whose answers are written down, one a call.
type script struct {
	t *testing.T

	mu sync.Mutex
	// lines are "addr kind" or "addr kind leader"; the kind "ok" answers.
	lines []string
	calls []*pb.Call
	opens int
	// closed are the ids of sessions that were closed.
	closed []string
	// always, if set, answers instead of lines.
	always func(addr string, req rpc.Message) error
}

func (s *script) Call(ctx context.Context, addr, path string, req, ans rpc.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return protocol.Errorf(protocol.Canceled, "%w", ctx.Err())
	}
	switch path {
	case protocol.PathSessionOpen:
		s.opens++
		open := ans.(*pb.SessionOpenAnswer)
		open.Session, open.Version = fmt.Append(nil, "session-", s.opens), &pb.Version{Generation: 1, Counter: uint64(s.opens)}
		return nil
	case protocol.PathSessionClose:
		s.closed = append(s.closed, string(req.(*pb.SessionCloseRequest).GetSession()))
		return nil
	}
	if q, ok := req.(interface{ GetCall() *pb.Call }); ok {
		s.calls = append(s.calls, q.GetCall())
	}
	if s.always != nil {
		return s.always(addr, req)
	}
	if len(s.lines) == 0 {
		s.t.Errorf("a call too many, to %s%s", addr, path)
		return protocol.Errorf(protocol.Internal, "end of the script")
	}
	f := strings.Fields(s.lines[0])
	s.lines = s.lines[1:]
	if f[0] != addr {
		s.t.Errorf("%s was called, the script says %s", addr, f[0])
	}
	if f[1] == "ok" {
		if d, is := ans.(*pb.DeleteAnswer); is {
			d.Version = &pb.Version{Generation: 1, Counter: 42}
		}
		return nil
	}
	e := &protocol.Error{Kind: protocol.ParseKind(f[1]), Detail: "as written"}
	if len(f) > 2 {
		e.Leader = f[2]
	}
	return e
}

func newScript(t *testing.T, lines ...string) (*script, *Group) {
	t.Helper()
	s := &script{t: t, lines: lines}
	g, err := NewGroup(Config{Caller: s, Endpoints: []string{"a", "b", "c"}, Pause: func(context.Context, time.Duration) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return s, g
}

func (g *Group) testDelete(ctx context.Context) error {
	return g.Mutate(ctx, nil, protocol.PathDelete, func(c *pb.Call) rpc.Message { return &pb.DeleteRequest{Call: c} }, &pb.DeleteAnswer{})
}

// TestExactlyOnce: what is asked again is asked under the same call, and what
// cannot be known is said to be unknown.
func TestExactlyOnce(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []string
		kind  protocol.Kind
		// calls are the session and sequence of each attempt.
		calls []string
	}{
		{"at once", []string{"a ok"}, 0, []string{"1/1"}},
		{"the leader is elsewhere", []string{"a not-leader c", "c ok"}, 0, []string{"1/1", "1/1"}},
		{"no leader yet", []string{"a not-leader", "b not-leader", "c ok"}, 0, []string{"1/1", "1/1", "1/1"}},
		{"one is down", []string{"a unavailable", "b ok"}, 0, []string{"1/1", "1/1"}},
		{"busy is asked again", []string{"a busy", "a ok"}, 0, []string{"1/1", "1/1"}},
		{"no answer, then the answer", []string{"a unknown-outcome", "b ok"}, 0, []string{"1/1", "1/1"}},
		{"an answer is final", []string{"a precondition-failed"}, protocol.PreconditionFailed, []string{"1/1"}},
		{"unknown, then refused for good", []string{"a unknown-outcome", "b precondition-failed"}, protocol.PreconditionFailed, []string{"1/1", "1/1"}},
		{"an idle session expired", []string{"a session-expired", "a ok"}, 0, []string{"1/1", "2/1"}},
		{"refused elsewhere, then expired", []string{"a not-leader b", "b session-expired", "b ok"}, 0, []string{"1/1", "1/1", "2/1"}},
		{"unknown, then expired", []string{"a unknown-outcome", "b session-expired"}, protocol.UnknownOutcome, []string{"1/1", "1/1"}},
		{"unknown, then stale", []string{"a unknown-outcome", "b stale-request"}, protocol.UnknownOutcome, []string{"1/1", "1/1"}},
		{"expired again and again", []string{"a session-expired", "a session-expired", "a session-expired"}, protocol.SessionExpired, []string{"1/1", "2/1", "3/1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, g := newScript(t, tc.lines...)
			if err := g.testDelete(t.Context()); protocol.KindOf(err) != tc.kind {
				t.Errorf("the answer is %v, want %v", err, tc.kind)
			}
			var calls []string
			for _, c := range s.calls {
				if opened := fmt.Append(nil, "session-", c.GetOpened().GetCounter()); !slices.Equal(opened, c.GetSession()) {
					t.Errorf("a call of %s says that it was opened at %v", c.GetSession(), c.GetOpened())
				}
				calls = append(calls, fmt.Sprintf("%s/%d", strings.TrimPrefix(string(c.GetSession()), "session-"), c.GetSequence()))
			}
			if !slices.Equal(calls, tc.calls) || len(s.lines) > 0 {
				t.Errorf("it was sent as %v, want %v; left %v", calls, tc.calls, s.lines)
			}
		})
	}
}

// TestPatienceIsBounded: a request is asked again until its time is used up, by
// pauses here, however often that is.
func TestPatienceIsBounded(t *testing.T) {
	for _, tc := range []struct {
		fails, read, change protocol.Kind
	}{
		{protocol.Unavailable, protocol.Unavailable, protocol.Unavailable},
		{protocol.NotLeader, protocol.Unavailable, protocol.Unavailable},
		{protocol.UnknownOutcome, protocol.Unavailable, protocol.UnknownOutcome},
	} {
		attempts := 0
		s, g := newScript(t)
		s.always = func(addr string, _ rpc.Message) error {
			attempts++
			// Two that each call the other the leader.
			return &protocol.Error{Kind: tc.fails, Leader: map[string]string{"a": "b", "b": "a"}[addr]}
		}
		if err := g.Read(t.Context(), protocol.PathLookup, &pb.LookupRequest{}, &pb.LookupAnswer{}); protocol.KindOf(err) != tc.read {
			t.Errorf("%v: a read ends with %v", tc.fails, err)
		}
		if err := g.testDelete(t.Context()); protocol.KindOf(err) != tc.change {
			t.Errorf("%v: a change ends with %v", tc.fails, err)
		}
		// Pauses are at most maxBackoff, and MaxHops hops lie between two of them.
		if least, most := int(2*DefaultPatience/maxBackoff), 2*(MaxHops+1)*(16+int(2*DefaultPatience/maxBackoff)); attempts < least || attempts > most {
			t.Errorf("%v: %d attempts, not %d to %d", tc.fails, attempts, least, most)
		}
	}
}

func TestCanceledCalls(t *testing.T) {
	for _, tc := range []struct{ first, kind protocol.Kind }{
		{protocol.Unavailable, protocol.Canceled},
		{protocol.UnknownOutcome, protocol.UnknownOutcome},
	} {
		s, g := newScript(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.always = func(string, rpc.Message) error {
			cancel()
			return &protocol.Error{Kind: tc.first}
		}
		if err := g.testDelete(ctx); protocol.KindOf(err) != tc.kind || !errors.Is(err, context.Canceled) {
			t.Errorf("after %v a canceled change is %v", tc.first, err)
		}
	}
}

// TestWindow: sequence numbers stay within the window above the lowest that is
// unanswered, and callers beyond all windows wait.
func TestWindow(t *testing.T) {
	const sessions = 2
	s := &script{t: t}
	g, err := NewGroup(Config{Caller: s, Endpoints: []string{"a"}, MaxSessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	inside := make(chan *pb.Call, 1000)
	g.cfg.Caller = callerFunc(func(ctx context.Context, addr, path string, req, ans rpc.Message) error {
		q, ok := req.(*pb.DeleteRequest)
		if !ok {
			return s.Call(ctx, addr, path, req, ans)
		}
		inside <- q.GetCall()
		<-release
		return nil
	})
	var wg sync.WaitGroup
	const callers = sessions*protocol.SessionWindow + 50
	for range callers {
		wg.Go(func() {
			if err := g.testDelete(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	seen := map[string]uint64{}
	note := func(c *pb.Call) {
		if c.GetSequence()-c.GetLowestUnacked() >= protocol.SessionWindow {
			t.Errorf("sequence %d with %d unanswered", c.GetSequence(), c.GetLowestUnacked())
		}
		key := fmt.Sprintf("%s/%d", c.GetSession(), c.GetSequence())
		if seen[key]++; seen[key] > 1 {
			t.Errorf("%s was given out twice", key)
		}
	}
	for range sessions * protocol.SessionWindow {
		note(<-inside)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.testDelete(ctx); protocol.KindOf(err) != protocol.Canceled {
		t.Errorf("waiting for a full window ends with %v", err)
	}
	close(release)
	wg.Wait()
	for range callers - sessions*protocol.SessionWindow {
		note(<-inside)
	}
	if s.opens != sessions {
		t.Errorf("%d sessions were opened", s.opens)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := g.testDelete(t.Context()); protocol.KindOf(err) != protocol.Canceled {
		t.Errorf("a change after Close ends with %v", err)
	}
}

type callerFunc func(ctx context.Context, addr, path string, req, ans rpc.Message) error

func (f callerFunc) Call(ctx context.Context, addr, path string, req, ans rpc.Message) error {
	return f(ctx, addr, path, req, ans)
}

func TestPinned(t *testing.T) {
	_, g := newScript(t, "a ok", "a session-expired")
	s, err := g.Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	build := func(c *pb.Call) rpc.Message { return &pb.DeleteRequest{Call: c} }
	if err := g.Mutate(t.Context(), s, protocol.PathDelete, build, &pb.DeleteAnswer{}); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := g.Mutate(t.Context(), s, protocol.PathDelete, build, &pb.DeleteAnswer{}); protocol.KindOf(err) != protocol.SessionExpired {
			t.Errorf("a pinned session that expired: %v", err)
		}
	}
	if g.Seen() != (protocol.Version{Generation: 1, Counter: 42}) {
		t.Errorf("seen %v", g.Seen())
	}
	g.Saw(protocol.Version{Generation: 1, Counter: 7})
	if g.Seen().Counter != 42 {
		t.Errorf("seen went back to %v", g.Seen())
	}
}

// TestFind: any server that answers is enough, and nobody waits for the others.
func TestFind(t *testing.T) {
	hang := make(chan struct{})
	s := &script{t: t}
	g, err := NewGroup(Config{
		Endpoints: []string{"hangs", "down", "well"}, Pause: func(context.Context, time.Duration) {},
		Caller: callerFunc(func(ctx context.Context, addr, path string, req, ans rpc.Message) error {
			switch addr {
			case "hangs":
				<-ctx.Done()
				close(hang)
				return protocol.Errorf(protocol.UnknownOutcome, "%w", ctx.Err())
			case "down":
				return protocol.Errorf(protocol.Unavailable, "down")
			}
			ans.(*pb.ClusterStatus).Version = &pb.Version{Generation: 1, Counter: 5}
			return nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	ans, err := Find[pb.ClusterStatus](t.Context(), g, protocol.PathClusterStatus, &pb.ClusterStatusRequest{})
	if err != nil || ans.GetVersion().GetCounter() != 5 || g.Seen().Counter != 5 || g.prefer("") != "well" {
		t.Errorf("%v, %v; seen %v, then asks %s", ans, err, g.Seen(), g.prefer(""))
	}
	<-hang
	for _, k := range []protocol.Kind{protocol.Unavailable, protocol.WrongCluster} {
		s.always = func(string, rpc.Message) error { return &protocol.Error{Kind: k} }
		g.cfg.Caller = s
		if _, err := Find[pb.ClusterStatus](t.Context(), g, protocol.PathClusterStatus, &pb.ClusterStatusRequest{}); protocol.KindOf(err) != k {
			t.Errorf("when all say %v: %v", k, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	for n := range 100 {
		if d := backoff(n); d < minBackoff/2 || d > maxBackoff {
			t.Errorf("pause %d is %v", n, d)
		}
	}
	_, g := newScript(t)
	for i := range 100 {
		g.Learn([]string{fmt.Sprint("host", i), "", "a"})
	}
	if n := len(g.Endpoints()); n != MaxEndpoints {
		t.Errorf("%d endpoints are remembered", n)
	}
}

// TestForeignServer: an address that now belongs to another cluster's server is
// passed over, and not asked first the next time; when all are foreign, that is
// the answer.
func TestForeignServer(t *testing.T) {
	s, g := newScript(t, "a unavailable", "b wrong-cluster", "c ok", "c unavailable", "a wrong-cluster", "b unavailable", "c ok")
	for range 2 {
		if err := g.Read(t.Context(), protocol.PathDelete, &pb.DeleteRequest{}, &pb.DeleteAnswer{}); err != nil {
			t.Error(err)
		}
	}
	s.lines = []string{"c wrong-cluster", "a wrong-cluster", "b wrong-cluster", "c ok"}
	if err := g.Read(t.Context(), protocol.PathDelete, &pb.DeleteRequest{}, &pb.DeleteAnswer{}); protocol.KindOf(err) != protocol.WrongCluster {
		t.Errorf("all foreign: %v", err)
	}
	if err := g.Read(t.Context(), protocol.PathDelete, &pb.DeleteRequest{}, &pb.DeleteAnswer{}); err != nil {
		t.Errorf("the address asked first has changed: %v", err)
	}
}

// TestTelling: of two errors in a row the one is told that helps: that none leads
// more than that a server is not there, and either more than that the time was up.
func TestTelling(t *testing.T) {
	leaderless := protocol.Errorf(protocol.NotLeader, "no leader is known")
	gone, late := protocol.Errorf(protocol.Unavailable, "refused"), protocol.Errorf(protocol.Canceled, "late")
	led := &protocol.Error{Kind: protocol.NotLeader, Leader: "b"}
	for _, tc := range []struct{ before, now, want error }{
		{nil, late, late},
		{gone, late, gone},
		{leaderless, late, leaderless},
		{leaderless, gone, leaderless},
		{gone, leaderless, leaderless},
		{led, gone, gone},
		{late, gone, gone},
	} {
		if got := telling(tc.before, tc.now); got != tc.want {
			t.Errorf("%v, then %v: told %v", tc.before, tc.now, got)
		}
	}
}
