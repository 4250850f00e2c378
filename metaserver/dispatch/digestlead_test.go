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
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// digestLog counts the commands of digests, and refuses the refuse-th comparison.
type digestLog struct {
	*bed
	looks, marks, compared atomic.Int64
	refuse                 int64
}

func (l *digestLog) View(ctx context.Context, level pb.Level, at protocol.Version) (state.View, error) {
	l.looks.Add(1)
	return l.bed.View(ctx, level, at)
}

func (l *digestLog) Propose(ctx context.Context, cmd *record.Command) (*record.Result, error) {
	if cmd.GetMarkDigest() != nil {
		l.marks.Add(1)
	}
	if cmd.GetCompareDigest() != nil && l.compared.Add(1) == l.refuse {
		return nil, protocol.Errorf(protocol.Busy, "refused")
	}
	return l.bed.Propose(ctx, cmd)
}

func (l *digestLog) dispatcher(every uint64) *dispatch.Dispatcher {
	return dispatch.New(dispatch.Config{
		Log: l, Registry: prometheus.NewRegistry(),
		Ping:   func(context.Context, string) (*pb.BlockserverStatus, error) { return &pb.BlockserverStatus{}, nil },
		Timing: dispatch.Timing{DigestTick: 2 * time.Millisecond, DigestEvery: every, UnreferenceTick: 2 * time.Millisecond},
	})
}

// A comparison that fails is made again at the next tick, though its mark is a new one.
func TestAFailedComparisonIsMadeAgain(t *testing.T) {
	const every = 50
	l := &digestLog{bed: newBed(t, 0), refuse: 2}
	l.lead(l.dispatcher(every), 1)
	l.eventually("the first one", func() bool { return l.compared.Load() == 1 })
	for i := range uint64(every) {
		l.must(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: "bucket", TrashKeepMs: i + 1, IfVersion: l.setAt("bucket")}}})
	}
	l.eventually("the failed one, and one after it", func() bool { return l.compared.Load() == 3 })
	seen := l.looks.Load()
	l.eventually("looks after it", func() bool { return l.looks.Load() > seen+20 })
	if marks, compared := l.marks.Load(), l.compared.Load(); marks != 3 || compared != 3 {
		t.Fatalf("%d marks and %d comparisons", marks, compared)
	}
}

// A leader of a cluster that has no first entry yet proposes nothing, and compares once
// there is one.
func TestNothingIsComparedBeforeTheFirstEntry(t *testing.T) {
	rows := table.NewMemory()
	m, err := state.Open(rows)
	if err != nil {
		t.Fatal(err)
	}
	l := &digestLog{bed: &bed{t: t, m: m, rows: rows}}
	l.lead(l.dispatcher(1000), 1)
	l.eventually("many looks", func() bool { return l.looks.Load() > 50 })
	if n := l.marks.Load(); n != 0 {
		t.Fatalf("%d marks of nothing", n)
	}
	l.must(&record.Command{Body: &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{Cluster: id("cluster"), Settings: &record.Settings{Redundancy: 3, Quorum: 2}}}})
	l.eventually("the first comparison", func() bool { return l.compared.Load() == 1 })
}
