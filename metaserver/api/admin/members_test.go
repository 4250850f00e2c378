package admin

import (
	"context"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// leading is a replica that leads, and applies whatever it is given.
type leading struct {
	Replica
	removed  bool
	proposed int
}

type noView struct{ state.View }

func (noView) Close() error { return nil }

func (l *leading) View(context.Context, pb.Level, protocol.Version) (state.View, error) {
	return noView{}, nil
}

func (l *leading) Removed(string) bool { return l.removed }

func (l *leading) Propose(context.Context, *record.Command) (*record.Result, error) {
	l.proposed++
	return &record.Result{}, nil
}

// Who announces itself and is removed by a change that is not committed is told to ask
// again: neither that it is removed, nor do its addresses come back into the log.
func TestAnnounceGoesByWhatIsCommitted(t *testing.T) {
	const id = "a"
	for name, c := range map[string]struct {
		members  []string
		removed  bool
		want     protocol.Kind
		proposed int
	}{
		"a member":                     {[]string{"a", "b"}, false, 0, 1},
		"one that is being removed":    {[]string{"b"}, false, protocol.Unavailable, 0},
		"one that has been removed":    {[]string{"b"}, true, protocol.Removed, 0},
		"one that nothing is known of": {nil, false, protocol.Unavailable, 0},
	} {
		r := &leading{removed: c.removed}
		s := &server{cfg: Config{
			Replica: r, Self: "b", Now: time.Now,
			Group:   func() api.Group { return api.Group{Leader: "b", Members: c.members} },
			Cluster: func() protocol.ID { return protocol.ID{1} },
		}}
		m := Member{ID: id, ClientAddress: "h:1", RaftAddress: "h:2", AdminAddress: "h:3", FeatureLevel: 1}
		if _, err := s.announce(t.Context(), m); protocol.KindOf(err) != c.want || r.proposed != c.proposed {
			t.Errorf("%s: %v, %d commands", name, err, r.proposed)
		}
	}
}
