package replica

import (
	"context"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// marked sets a mark through whoever leads, and returns the leader, the mark and the
// digest there.
func (g *group) marked() (*member, protocol.Version, protocol.Hash) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		l := g.leader()
		r, err := l.Propose(within(g.t), &record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}})
		if err == nil {
			mark := r.GetDigest()
			return l, protocol.Version{Generation: mark.GetMark().GetGeneration(), Counter: mark.GetMark().GetCounter()}, protocol.Hash(mark.GetDigest())
		}
		if time.Now().After(deadline) {
			g.t.Fatal(err)
		}
	}
}

func agree(m *member, ctx context.Context, at protocol.Version, own, want protocol.Hash, kind protocol.Kind) {
	m.g.t.Helper()
	got, err := m.Agreed(ctx, at, own)
	if protocol.KindOf(err) != kind || got != want {
		m.g.t.Fatalf("agreed on %v, %v; expected %v and kind %v", got, err, want, kind)
	}
}

// The majority's digest is the right one, whatever the asking member's is; nobody
// guesses where there is none.
func TestTheMajorityAgrees(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	l, at, right := g.marked()
	odd, none := protocol.Hash{1}, protocol.Hash{}
	agree(l, within(t), at, right, right, 0)
	agree(l, within(t), at, odd, right, 0)

	g.others(l)[0].kill()
	agree(l, within(t), at, right, right, 0)
	ctx, cancel := context.WithCancel(within(t))
	time.AfterFunc(300*time.Millisecond, cancel)
	agree(l, ctx, at, odd, none, protocol.Unavailable)
}

func TestNoMajorityAgrees(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 2, nil)
	l, at, right := g.marked()
	agree(l, within(t), at, right, right, 0)
	agree(l, within(t), at, protocol.Hash{1}, protocol.Hash{}, protocol.Corrupt)
	l, _, _ = g.marked()
	g.same()
	agree(l, within(t), at, protocol.Hash{1}, protocol.Hash{}, protocol.Unavailable)
}
