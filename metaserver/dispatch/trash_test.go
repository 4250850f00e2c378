package dispatch_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func (b *bed) counters() *pb.Counters {
	b.t.Helper()
	row, err := state.ClusterRow(b.rows.View())
	if err != nil {
		b.t.Fatal(err)
	}
	return row.GetCounters()
}

// clocked is a dispatcher whose clock the test sets.
func (b *bed) clocked(nowMs *atomic.Int64) *dispatch.Dispatcher {
	return dispatch.New(dispatch.Config{
		Log: b, Registry: prometheus.NewRegistry(), Now: func() time.Time { return time.UnixMilli(nowMs.Load()) },
		Ping:   func(context.Context, string) (*pb.BlockserverStatus, error) { return &pb.BlockserverStatus{}, nil },
		Timing: dispatch.Timing{UnreferenceTick: 5 * time.Millisecond, TrashTick: 5 * time.Millisecond},
	})
}

// TestTrashIsEmptiedWhenDue: more than one command's worth is in the trash. The
// leader takes out what its clock says is due, and a clock that runs behind only
// keeps things longer.
func TestTrashIsEmptiedWhenDue(t *testing.T) {
	const early, late = 250, 3
	b := newBed(t, 3)
	trashed := func(what string, n int, at int64) {
		for i := range n {
			name := fmt.Sprint(what, i)
			b.put(name, 1, 2, 3)
			b.must(&record.Command{NowUnixMs: at, Body: &record.Command_Delete{Delete: &pb.DeleteRequest{Bucket: "bucket", Items: []*pb.DeleteItem{{Name: name}}}}})
		}
	}
	b.must(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: "bucket", TrashKeepMs: 1000}}})
	trashed("early", early, 100)
	trashed("late", late, 5000)

	var now atomic.Int64
	now.Store(1099)
	end := b.lead(b.clocked(&now), 1)
	// A job of before the test's objects shows that the leader has been through its
	// rounds.
	b.must(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: "bucket", IfVersion: b.setAt("bucket")}}})
	b.put("gone", 1, 2, 3)
	b.delete("gone")
	b.eventually("the job of an object that is not kept", func() bool { return b.row("gone").GetRefs() == 0 })
	if n := b.counters().TrashObjects; n != early+late {
		t.Fatalf("%d objects are in the trash before anything is due", n)
	}

	now.Store(1100)
	b.eventually("what is due to go", func() bool {
		c := b.counters()
		return c.TrashObjects == late && c.UnreferenceJobs == 0 && c.References == late
	})
	end()

	// A leader that comes later has no memory, and needs none.
	now.Store(6000)
	b.lead(b.clocked(&now), 2)
	b.eventually("the rest to go", func() bool { c := b.counters(); return c.TrashObjects == 0 && c.References == 0 })
}

// setAt is the version of the bucket's settings.
func (b *bed) setAt(bucket string) *pb.Version {
	b.t.Helper()
	ans, err := state.Bucket(b.rows.View(), &pb.BucketGetRequest{Bucket: bucket})
	if err != nil {
		b.t.Fatal(err)
	}
	return ans.Bucket.Version
}
