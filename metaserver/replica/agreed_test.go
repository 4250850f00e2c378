package replica

import (
	"bytes"
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// marked sets a mark through whoever leads, and returns the leader and what it had
// there.
func (g *group) marked() (*member, *record.DigestResult) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		l := g.leader()
		r, err := l.Propose(within(g.t), &record.Command{Body: &record.Command_MarkDigest{MarkDigest: &record.MarkDigest{}}})
		if err == nil {
			return l, r.GetDigest()
		}
		if time.Now().After(deadline) {
			g.t.Fatal(err)
		}
	}
}

func agree(m *member, ctx context.Context, own, want *record.DigestResult, kind protocol.Kind) {
	m.g.t.Helper()
	got, err := m.Agreed(ctx, own)
	if protocol.KindOf(err) != kind || !proto.Equal(got, want) {
		m.g.t.Fatalf("agreed on %v, %v; expected %v and kind %v", got, err, want, kind)
	}
}

// astray is what a member had at a mark whose state is another one, by so many versions.
func astray(right *record.DigestResult, versions uint64) *record.DigestResult {
	return &record.DigestResult{
		Mark:  &pb.Version{Generation: right.Mark.Generation, Counter: right.Mark.Counter + versions},
		Index: right.Index, Digest: bytes.Repeat([]byte{1}, protocol.HashSize),
	}
}

// The majority's word is the right one, whatever the asking member's is; nobody
// guesses where there is none.
func TestTheMajorityAgrees(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	l, right := g.marked()
	behind := ^uint64(0)
	agree(l, within(t), right, right, 0)
	for _, versions := range []uint64{0, 1, behind} {
		agree(l, within(t), astray(right, versions), right, 0)
	}

	a, b := g.others(l)[0], g.others(l)[1]
	a.kill()
	agree(l, within(t), right, right, 0)
	soon := func() context.Context {
		ctx, cancel := context.WithCancel(within(t))
		time.AfterFunc(300*time.Millisecond, cancel)
		return ctx
	}
	agree(l, soon(), astray(right, 0), nil, protocol.Corrupt) // and b says otherwise
	b.kill()
	agree(l, soon(), right, nil, protocol.Unavailable)
}

func TestNoMajorityAgrees(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 2, nil)
	l, right := g.marked()
	agree(l, within(t), right, right, 0)
	agree(l, within(t), astray(right, 0), nil, protocol.Corrupt)
	agree(l, within(t), astray(right, 1), nil, protocol.Corrupt)
	l, _ = g.marked()
	g.same()
	agree(l, within(t), astray(right, 0), nil, protocol.Unavailable)
}
