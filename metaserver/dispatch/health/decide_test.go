package health

import (
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const (
	joining     = pb.NodeState_NODE_STATE_JOINING
	up          = pb.NodeState_NODE_STATE_UP
	down        = pb.NodeState_NODE_STATE_DOWN
	maintenance = pb.NodeState_NODE_STATE_MAINTENANCE
	draining    = pb.NodeState_NODE_STATE_DRAINING
	drained     = pb.NodeState_NODE_STATE_DRAINED
	removed     = pb.NodeState_NODE_STATE_REMOVED
)

var (
	answers = Sight{Answers: true}
	unasked = Sight{}
)

func silent(d time.Duration) Sight { return Sight{Silent: d} }

// view is node 1 as given, and others that are up and answer.
func view(n *record.Node, seen Sight, others int) View {
	n.Incarnation = 7
	v := View{Nodes: []*record.Node{n}, Settings: &record.Settings{Redundancy: 3, DownAfterMs: 1000, AwayAfterMs: 5000}}
	for range others {
		v.Nodes = append(v.Nodes, &record.Node{State: up})
	}
	v.See = func(id protocol.NodeID) Sight {
		if id == 1 {
			return seen
		}
		return answers
	}
	return v
}

// TestDecide goes through the life of a node.
func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		node   *record.Node
		seen   Sight
		others int
		want   pb.NodeState // 0: it stays
		away   bool
	}{
		{"up and answers", &record.Node{State: up}, answers, 3, 0, false},
		{"up and not asked yet", &record.Node{State: up}, unasked, 3, 0, false},
		{"silent for a moment", &record.Node{State: up}, silent(999 * time.Millisecond), 3, 0, false},
		{"silent", &record.Node{State: up}, silent(time.Second), 3, down, false},
		{"down and silent", &record.Node{State: down}, silent(4 * time.Second), 3, 0, false},
		{"down and not asked yet", &record.Node{State: down}, unasked, 3, 0, false},
		{"down for long", &record.Node{State: down}, silent(5 * time.Second), 3, down, true},
		{"down for long with nowhere to go", &record.Node{State: down}, silent(time.Hour), 2, 0, false},
		{"away already", &record.Node{State: down, Away: true}, silent(time.Hour), 3, 0, false},
		{"down and answers", &record.Node{State: down}, answers, 3, up, false},
		{"away and answers", &record.Node{State: down, Away: true}, answers, 0, up, false},
		{"in maintenance and silent", &record.Node{State: maintenance}, silent(time.Hour), 3, 0, false},
		{"draining with copies", &record.Node{State: draining, Copies: 1}, answers, 3, 0, false},
		{"draining with deletes", &record.Node{State: draining, OwedDeletes: 1}, answers, 3, 0, false},
		{"draining with nothing left", &record.Node{State: draining}, answers, 3, drained, false},
		{"drained and silent", &record.Node{State: drained}, silent(time.Hour), 3, 0, false},
		{"joining and silent", &record.Node{State: joining}, silent(time.Hour), 3, 0, false},
		{"removed and answers", &record.Node{State: removed}, answers, 3, 0, false},
	} {
		got := Decide(view(c.node, c.seen, c.others))
		if c.want == 0 {
			if len(got) != 0 {
				t.Errorf("%s: %v", c.name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Node != 1 || got[0].State != c.want || got[0].Away != c.away || got[0].IfState != c.node.State || got[0].IfIncarnation != 7 {
			t.Errorf("%s: %v, want %v, away %v", c.name, got, c.want, c.away)
		}
	}
}

// TestMostNodesSilent: a leader that sees nobody has all of them down, and moves
// nothing.
func TestMostNodesSilent(t *testing.T) {
	v := view(&record.Node{State: down}, silent(time.Hour), 5)
	v.See = func(protocol.NodeID) Sight { return silent(time.Hour) }
	for _, q := range Decide(v) {
		if q.Away {
			t.Errorf("node %d is away", q.Node)
		}
	}
}

func TestDefaultsAndJoining(t *testing.T) {
	if DownAfter(nil) != DefaultDownAfter || AwayAfter(nil) != DefaultAwayAfter {
		t.Error("no settings are not the defaults")
	}
	if AwayAfter(&record.Settings{DownAfterMs: 2000, AwayAfterMs: 1000}) != 2*time.Second {
		t.Error("a node is away before it is down")
	}
	v := view(&record.Node{State: joining}, answers, 1)
	if got := Joining(v); got != nil {
		t.Errorf("without the setting: %v", got)
	}
	v.Settings.AutoLayout = true
	if got := Joining(v); len(got) != 1 || got[0].Node != 1 || got[0].Kind != pb.NodeChange_ADD {
		t.Errorf("with the setting: %v", got)
	}
	v.See = func(protocol.NodeID) Sight { return unasked }
	if got := Joining(v); got != nil {
		t.Errorf("one that does not answer: %v", got)
	}
}

// TestManyJoining: automatic layout never asks for more than one change may hold.
func TestManyJoining(t *testing.T) {
	v := view(&record.Node{State: joining}, answers, 0)
	v.Settings.AutoLayout = true
	for range state.MaxLayoutChanges {
		v.Nodes = append(v.Nodes, &record.Node{State: joining})
	}
	if got := Joining(v); len(got) != state.MaxLayoutChanges {
		t.Errorf("%d changes, of at most %d", len(got), state.MaxLayoutChanges)
	}
}

// TestPace: speed and time left follow from what was left at two moments.
func TestPace(t *testing.T) {
	var p paces
	start := time.Unix(1000, 0)
	job := func(left uint64) *pb.JobInfo {
		return &pb.JobInfo{Id: "drain-1", State: "running", BlocksLeft: left, BytesLeft: 10 * left}
	}
	j := job(1000)
	if p.fill(j); j.EtaSeconds != 0 {
		t.Errorf("never looked at: %v", j)
	}
	p.observe(start, []*pb.JobInfo{job(1000)})
	if p.fill(j); j.BlocksPerSecond != 0 || j.EtaSeconds != 0 || j.BlocksTotal != 1000 {
		t.Errorf("after one look: %v", j)
	}
	for i := range uint64(40) {
		p.observe(start.Add(time.Duration(i)*time.Second), []*pb.JobInfo{job(1000 - 10*i)})
	}
	j = job(600)
	if p.fill(j); j.BlocksPerSecond != 10 || j.BytesPerSecond != 100 || j.EtaSeconds < 59 || j.EtaSeconds > 62 || j.BlocksTotal != 1000 || j.BlocksDone != 400 {
		t.Errorf("ten a second: %v", j)
	}
	for i := range uint64(120) {
		p.observe(start.Add(time.Duration(40+i)*time.Second), []*pb.JobInfo{job(610)})
	}
	j = job(610)
	if p.fill(j); j.BlocksPerSecond != 0 || j.EtaSeconds != 0 {
		t.Errorf("it stands still: %v", j)
	}
	if n := len(p.jobs["drain-1"].samples); n > 2*paceSamples {
		t.Errorf("%d samples are kept", n)
	}
	p.observe(start.Add(time.Hour), nil)
	if len(p.jobs) != 0 {
		t.Error("an ended job is remembered")
	}
}

func TestParseID(t *testing.T) {
	if s, n, err := ParseID(SweepID(12)); s != 12 || n != 0 || err != nil {
		t.Error(s, n, err)
	}
	if s, n, err := ParseID(DrainID(3)); s != 0 || n != 3 || err != nil {
		t.Error(s, n, err)
	}
	if v, ok := ParseDelete(DeleteID(protocol.Version{Generation: 1, Counter: 77})); v != (protocol.Version{Generation: 1, Counter: 77}) || !ok {
		t.Error(v, ok)
	}
	for _, bad := range []string{"delete-", "delete-0.0", "delete-77", "delete-1.077", "1.77", "drain-3"} {
		if v, ok := ParseDelete(bad); ok {
			t.Errorf("%q is %s", bad, v)
		}
	}
	for _, bad := range []string{"delete-77", "", "sweep", "sweep-", "sweep-0", "drain--1", "drain-99999999999", "x-1", "12"} {
		if _, _, err := ParseID(bad); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
