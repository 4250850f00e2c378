package dispatch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// silence is the addresses that do not answer pings.
type silence struct {
	mu sync.Mutex
	at map[string]bool
}

func (s *silence) set(n uint32, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[address(n)] = silent
}

func (s *silence) ping(_ context.Context, addr string) (*pb.BlockserverStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at[addr] {
		return nil, protocol.Errorf(protocol.Unavailable, "silent")
	}
	return &pb.BlockserverStatus{Disks: []*pb.DiskStatus{{CapacityBytes: 1 << 30, UsedBytes: 7, FreeBytes: 70}}}, nil
}

// watched is a dispatcher that pings often and is told who is silent.
func (b *bed) watched() (*dispatch.Dispatcher, *silence) {
	s := &silence{at: map[string]bool{}}
	return dispatch.New(dispatch.Config{
		Log: b, Nodes: b, Registry: prometheus.NewRegistry(), Ping: s.ping,
		Timing: dispatch.Timing{
			PingEvery: 5 * time.Millisecond, RoundTick: 10 * time.Millisecond, Rest: 10 * time.Millisecond, MaxRest: 40 * time.Millisecond,
			EffectWait: 50 * time.Millisecond, WriterWait: 10 * time.Millisecond, WalkPause: 5 * time.Millisecond, WalkRest: 50 * time.Millisecond,
		},
	}), s
}

func (b *bed) settings(s *record.Settings) {
	b.t.Helper()
	row, err := state.ClusterRow(b.rows.View())
	if err != nil {
		b.t.Fatal(err)
	}
	s.Redundancy, s.Quorum = 3, 2
	b.must(&record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{Settings: s, IfVersion: row.SettingsVersion}}})
}

func (b *bed) nodeRow(n int) *record.Node {
	b.t.Helper()
	rows, err := state.Nodes(b.rows.View())
	if err != nil {
		b.t.Fatal(err)
	}
	return rows[n-1]
}

// whole tells whether all blocks have three copies that count, none on without, and
// whether nothing is to be moved.
func (b *bed) whole(blocks int, without uint32) bool {
	row, err := state.ClusterRow(b.rows.View())
	if err != nil || row.Counters.MovingBlocks > 0 {
		return false
	}
	for i := range blocks {
		counting := 0
		for _, c := range b.row(fmt.Sprint("block", i)).Copies {
			if c.Node != without {
				counting++
			}
		}
		if counting != 3 {
			return false
		}
	}
	return true
}

// TestSilentNode: it is down, then away, and its copies are made again elsewhere;
// when it answers it is up again.
func TestSilentNode(t *testing.T) {
	b := newBed(t, 4)
	for i := range 10 {
		b.put(fmt.Sprint("block", i), 1, 2, 3)
	}
	b.settings(&record.Settings{DownAfterMs: 1, AwayAfterMs: 100})
	d, silent := b.watched()
	b.lead(d, 1)
	b.eventually("all known", func() bool { return d.Observed(4).Known })
	silent.set(2, true)
	b.eventually("down", func() bool { return b.nodeRow(2).State == pb.NodeState_NODE_STATE_DOWN })
	b.eventually("away", func() bool { return b.nodeRow(2).Away })
	b.eventually("copies elsewhere", func() bool { return b.whole(10, 2) })
	silent.set(2, false)
	b.eventually("up", func() bool { n := b.nodeRow(2); return n.State == pb.NodeState_NODE_STATE_UP && !n.Away })
}

// TestDrainEnds: a draining node is drained when nothing is counted on it, which
// Jobs and Sight tell meanwhile.
func TestDrainEnds(t *testing.T) {
	b := newBed(t, 4)
	for i := range 10 {
		b.put(fmt.Sprint("block", i), 1, 2, 3)
	}
	d, silent := b.watched()
	b.lead(d, 1)
	b.eventually("all known", func() bool { return d.Observed(4).Known })
	silent.set(4, true)
	b.eventually("4 is missed", func() bool { return !d.Observed(4).Reachable })
	plan, err := state.PlanLayout(b.rows.View(), []*pb.NodeChange{{Node: 1, Kind: pb.NodeChange_DRAIN}})
	if err != nil {
		t.Fatal(err)
	}
	b.must(&record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
		IfLayoutVersion: plan.LayoutVersion, Changes: plan.Changes, Algorithm: plan.Algorithm, TableDigest: plan.TableDigest,
	}}})
	b.eventually("the drain names node 4", func() bool {
		jobs, err := d.Jobs(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if j.Id == "drain-1" && j.Kind == "drain" && j.BlocksLeft == 10 && j.BlocksTotal == 10 && j.WaitsFor != "" {
				return true
			}
		}
		return false
	})
	infos, err := state.NodeInfos(b.rows.View(), false)
	if err == nil {
		err = d.Sight(t.Context(), infos)
	}
	if err != nil || infos[0].WaitsFor == "" || infos[0].ObservedUsedBytes != 7 || !infos[0].Node.Reachable || infos[3].Node.Reachable {
		t.Errorf("%v, %v", infos, err)
	}
	silent.set(4, false)
	b.eventually("drained", func() bool { return b.nodeRow(1).State == pb.NodeState_NODE_STATE_DRAINED })
	if n := b.nodes[0].count(); n != 0 {
		t.Errorf("a drained node holds %d files", n)
	}
}

// TestAutomaticLayout: with the setting, and not without it, a joining node enters
// the layout.
func TestAutomaticLayout(t *testing.T) {
	b := newBed(t, 3)
	for i := range 10 {
		b.put(fmt.Sprint("block", i), 1, 2, 3)
	}
	b.nodes = append(b.nodes, &node{bed: b, id: 4, incarnation: 1, files: map[protocol.Hash]protocol.Version{}})
	b.register(3, 1, 0)
	d, _ := b.watched()
	b.lead(d, 1)
	b.eventually("it answers", func() bool { return d.Observed(4).Known })
	if n := b.nodeRow(4); n.State != pb.NodeState_NODE_STATE_JOINING {
		t.Fatalf("it is %v", n.State)
	}
	b.settings(&record.Settings{AutoLayout: true})
	b.eventually("it is placed", func() bool { return b.nodeRow(4).State == pb.NodeState_NODE_STATE_UP })
	b.eventually("blocks on it", func() bool { return b.whole(10, 0) && b.nodeRow(4).Copies > 0 })
}
