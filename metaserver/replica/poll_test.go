package replica

import (
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// A member that has not come to the mark yet may answer with one that an earlier build
// set, without an index. Its version says nothing of which entry it was, if the asking
// leader's state is another one: taken for an answer, two such would make a majority
// for what both of them had at an earlier mark, and stop them for ever.
func TestAMarkWithoutAnIndexIsAnEarlierOne(t *testing.T) {
	t.Parallel()
	at := func(index, counter uint64) link.Mark {
		return link.Mark{Index: index, At: protocol.Version{Generation: 1, Counter: counter}}
	}
	for _, tc := range []struct {
		said, mine link.Mark
		want       int
	}{
		{link.Mark{}, at(7, 50), -1},
		{at(0, 49), at(7, 50), -1},
		{at(0, 50), at(7, 50), -1},
		{at(0, 51), at(7, 50), -1},
		{at(6, 90), at(7, 50), -1},
		{at(7, 90), at(7, 50), 0},
		{at(8, 10), at(7, 50), 1},
	} {
		if got := order(tc.said, tc.mine); got != tc.want {
			t.Errorf("%v to %v: %d, not %d", tc.said, tc.mine, got, tc.want)
		}
	}
}

// Only who is a voter when the votes are counted has one.
func TestOnlyVotersAreCounted(t *testing.T) {
	t.Parallel()
	x, y := link.Mark{Index: 1}, link.Mark{Index: 1, Digest: protocol.Hash{1}}
	p := poll{said: map[string]link.Mark{"a": x, "b": y, "c": y}, mute: map[string]bool{"d": true}}
	servers := func(voters ...string) (all []raft.Server) {
		for _, id := range voters {
			all = append(all, raft.Server{ID: raft.ServerID(id)})
		}
		return append(all, raft.Server{ID: "learner", Suffrage: raft.Nonvoter})
	}
	for _, tc := range []struct {
		voters         []string
		silent         int
		most           link.Mark
		decided, parts bool
	}{
		{[]string{"a", "b", "c"}, 0, y, true, true},
		{[]string{"a", "b", "e"}, 1, link.Mark{}, false, true}, // c is none any more
		{[]string{"a", "d", "e"}, 1, link.Mark{}, false, false},
		{[]string{"a"}, 0, x, true, false},
		{nil, 0, link.Mark{}, false, false},
	} {
		silent, voters := p.count(servers(tc.voters...))
		most, decided := p.majority(voters)
		if len(silent) != tc.silent || voters != len(tc.voters) || most != tc.most || decided != tc.decided {
			t.Errorf("%v: %d of %d are silent, %v, %v", tc.voters, len(silent), voters, most, decided)
		}
		err := p.undecided(x, errors.New("over"))
		if kind := protocol.KindOf(err); (kind == protocol.Corrupt) != tc.parts || (kind == protocol.Unavailable) == tc.parts {
			t.Errorf("%v: %v", tc.voters, err)
		}
		if tc.parts && !strings.Contains(err.Error(), "replace no member") {
			t.Errorf("no step is named: %v", err)
		}
	}
}
