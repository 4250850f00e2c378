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

// moments is a script and its group, in which quiet moments pass when told to.
type moments struct {
	*script
	g *Group
	// begins takes one from whoever waits for a moment, passes lets it end.
	begins, passes chan struct{}
}

func newMoments(t *testing.T) *moments {
	t.Helper()
	m := &moments{script: &script{t: t}, begins: make(chan struct{}), passes: make(chan struct{})}
	m.always = func(string, rpc.Message) error { return nil }
	g, err := NewGroup(Config{
		Caller: m.script, Endpoints: []string{"a"}, Pause: func(context.Context, time.Duration) {},
		Quiet: func(ctx context.Context) {
			for _, c := range []chan struct{}{m.begins, m.passes} {
				select {
				case c <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.g = g
	return m
}

func (m *moments) ask(pinned *Session, path string) {
	m.t.Helper()
	build := func(c *pb.Call) rpc.Message { return &pb.DeleteRequest{Call: c} }
	if err := m.g.Mutate(m.t.Context(), pinned, path, build, &pb.DeleteAnswer{}); err != nil {
		m.t.Fatal(err)
	}
}

// last closes the group and returns what was closed before and with it.
func (m *moments) last() (before, after []string) {
	m.t.Helper()
	m.mu.Lock()
	before = slices.Clone(m.closed)
	m.mu.Unlock()
	if err := m.g.Close(m.t.Context()); err != nil {
		m.t.Error(err)
	}
	return before, m.closed[len(before):]
}

// TestIdleSessionOwesNothing: the last request of a session went out beside an
// upload that then ended with no request of its own under it. Once nothing has been
// in flight for a moment the session is closed, and the next change opens another.
func TestIdleSessionOwesNothing(t *testing.T) {
	m := newMoments(t)
	end := m.g.Uploading()
	m.ask(nil, protocol.PathDelete)
	end()
	<-m.begins
	<-m.passes
	eventually(t, func() bool { return !m.isSettling() })
	m.ask(nil, protocol.PathDelete)
	if before, after := m.last(); !slices.Equal(before, []string{"session-1"}) || !slices.Equal(after, []string{"session-2"}) {
		t.Errorf("closed while open: %v, at the end: %v", before, after)
	}
}

// TestNoWordIsOwed: where the last request said that no upload is in flight, nobody
// waits for a moment and nothing is closed.
func TestNoWordIsOwed(t *testing.T) {
	m := newMoments(t)
	end := m.g.Uploading()
	m.ask(nil, protocol.PathDelete)
	m.ask(nil, protocol.PathCommit)
	end()
	if m.isSettling() {
		t.Error("a moment is waited for")
	}
	if before, after := m.last(); len(before) != 0 || len(after) != 1 {
		t.Errorf("closed while open: %v, at the end: %v", before, after)
	}
}

// TestMomentIsNotQuiet: an upload within the moment, ended or not, keeps the
// session, also one that it has pinned.
func TestMomentIsNotQuiet(t *testing.T) {
	m := newMoments(t)
	end := m.g.Uploading()
	m.ask(nil, protocol.PathDelete)
	end()
	<-m.begins
	end = m.g.Uploading()
	pinned, err := m.g.Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-m.passes
	eventually(t, func() bool { return !m.isSettling() })
	m.ask(pinned, protocol.PathDelete)
	end()
	<-m.begins
	m.g.Uploading()()
	<-m.passes
	// The upload within the last moment has it waited for once more.
	<-m.begins
	m.ask(pinned, protocol.PathDelete)
	if before, _ := m.last(); len(before) != 0 {
		t.Errorf("closed while in use: %v", before)
	}
}

// TestRequestsUnderWayKeepTheSession: what is not answered may be asked again.
func TestRequestsUnderWayKeepTheSession(t *testing.T) {
	m := newMoments(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	script := m.g.cfg.Caller
	m.g.cfg.Caller = callerFunc(func(ctx context.Context, addr, path string, req, ans rpc.Message) error {
		if path == protocol.PathBucketSet {
			asked <- struct{}{}
			<-answer
		}
		return script.Call(ctx, addr, path, req, ans)
	})
	end := m.g.Uploading()
	var wg sync.WaitGroup
	wg.Go(func() { m.ask(nil, protocol.PathBucketSet) })
	<-asked
	end()
	<-m.begins
	<-m.passes
	<-m.begins
	m.mu.Lock()
	if len(m.closed) != 0 {
		t.Errorf("closed with a request under way: %v", m.closed)
	}
	m.mu.Unlock()
	close(answer)
	wg.Wait()
	<-m.passes
	eventually(t, func() bool { return !m.isSettling() })
	if before, _ := m.last(); !slices.Equal(before, []string{"session-1"}) {
		t.Errorf("closed: %v", before)
	}
}

func (m *moments) isSettling() bool {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	return m.g.settling
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came to that")
		}
	}
}

// TestOneSessionForAllRetries: however often the opening of a session is asked, and
// by however many changes, as long as nobody hears the answer it is the same one.
func TestOneSessionForAllRetries(t *testing.T) {
	s, g := newScript(t)
	s.always = func(string, rpc.Message) error { return nil }
	opened := map[string]int{}
	lose := true
	g.cfg.Caller = callerFunc(func(ctx context.Context, addr, path string, req, ans rpc.Message) error {
		if path != protocol.PathSessionOpen {
			return s.Call(ctx, addr, path, req, ans)
		}
		id := req.(*pb.SessionOpenRequest).GetSession()
		opened[string(id)]++
		if lose {
			return protocol.Errorf(protocol.UnknownOutcome, "the answer is lost")
		}
		ans.(*pb.SessionOpenAnswer).Session = id
		return nil
	})
	if err := g.testDelete(t.Context()); protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("without a session a change certainly did not run: %v", err)
	}
	lose = false
	if err := g.testDelete(t.Context()); err != nil {
		t.Error(err)
	}
	for id, times := range opened {
		if len(id) != 16 || len(opened) != 1 || times < 3 || string(s.calls[0].GetSession()) != id {
			t.Errorf("%x was opened %d times; %d sessions", id, times, len(opened))
		}
	}
	g.sessions.close()
	g.sessions = newPool(1, g.openSession)
	if err := g.testDelete(t.Context()); err != nil || len(opened) != 2 {
		t.Errorf("the next session is another: %v, %d sessions", err, len(opened))
	}
}
