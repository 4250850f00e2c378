package dispatch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// watched counts what the leader looks at, and what it proposes but for digests,
// which are taken at all times.
type watched struct {
	*bed
	looks, proposals atomic.Int64
}

func (w *watched) View(ctx context.Context, level pb.Level, at protocol.Version) (state.View, error) {
	w.looks.Add(1)
	return w.bed.View(ctx, level, at)
}

func (w *watched) Propose(ctx context.Context, cmd *record.Command) (*record.Result, error) {
	if cmd.GetMarkDigest() == nil && cmd.GetCompareDigest() == nil {
		w.proposals.Add(1)
	}
	return w.bed.Propose(ctx, cmd)
}

// TestStoppedIsQuiet: metadata that was rolled back refuses the leader's work. With
// work of every kind to do the leader proposes and sends nothing, so that the log
// does not grow; once a generation is started all of it is done.
func TestStoppedIsQuiet(t *testing.T) {
	b := newBed(t, 4)
	w := &watched{bed: b}
	b.must(&record.Command{Body: &record.Command_OpenSession{OpenSession: &record.OpenSession{Session: id("idle")}}})
	b.must(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: "bucket", TrashKeepMs: 1}}})
	b.put("trashed", 1, 2, 3)
	b.delete("trashed")
	b.must(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: "bucket", IfVersion: b.setAt("bucket")}}})
	b.put("gone", 1, 2, 3)
	b.delete("gone")
	b.must(&record.Command{Body: &record.Command_SetNodeState{SetNodeState: &record.SetNodeState{Node: 4, State: pb.NodeState_NODE_STATE_DOWN, IfState: pb.NodeState_NODE_STATE_UP, IfIncarnation: 1}}})
	// A node that has met a later version registers.
	res, err := b.Propose(t.Context(), &record.Command{Body: &record.Command_Register{Register: &pb.RegisterRequest{
		Identity: id("late"), Address: address(9), Start: id("late start"), HighestSeen: &pb.Version{Generation: 5, Counter: 1},
		Disks: []*pb.DiskInfo{{Disk: id("late disk"), CapacityBytes: 1 << 30}},
	}}})
	if err != nil || protocol.Kind(res.Kind) != protocol.Unavailable {
		t.Fatalf("%v, %v", res, err)
	}

	d := dispatch.New(dispatch.Config{
		Log: w, Nodes: b, Registry: prometheus.NewRegistry(),
		Ping: func(context.Context, string) (*pb.BlockserverStatus, error) { return &pb.BlockserverStatus{}, nil },
		Timing: dispatch.Timing{
			UnreferenceTick: 2 * time.Millisecond, TrashTick: 2 * time.Millisecond, RoundTick: 2 * time.Millisecond, PingEvery: 2 * time.Millisecond,
			SessionIdle: 4 * time.Millisecond, SessionRounds: 2, Rest: 2 * time.Millisecond, WalkRest: 10 * time.Millisecond,
		},
	})
	b.lead(d, 1)
	b.eventually("many looks", func() bool { return w.looks.Load() > 500 })
	if n := w.proposals.Load(); n > 0 {
		t.Errorf("%d proposals to metadata that was stopped", n)
	}
	for _, n := range b.nodes {
		n.change(func() {
			if len(n.seen) > 0 {
				t.Errorf("node %d was sent %d batches", n.id, len(n.seen))
			}
		})
	}

	b.must(&record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{Generation: 6}}})
	b.eventually("the work to be done in the new generation", func() bool {
		c := b.counters()
		return c.GetUnreferenceJobs() == 0 && c.GetSessions() == 0 && c.GetTrashObjects() == 0 && b.row("gone").GetRefs() == 0
	})
}
