package dispatch_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// overtakenLog has a generation begin, with names paused, between the leader's
// decision to empty the trash and its place in the log.
type overtakenLog struct {
	*bed
	emptied chan *record.Result
}

func (l *overtakenLog) Propose(ctx context.Context, cmd *record.Command) (*record.Result, error) {
	if cmd.GetEmptyTrash() == nil {
		return l.bed.Propose(ctx, cmd)
	}
	first := &record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{Generation: 2, PausedClasses: state.HeldByRestore}}}
	if _, err := l.bed.Propose(ctx, first); err != nil {
		return nil, err
	}
	r, err := l.bed.Propose(ctx, cmd)
	if err == nil {
		l.emptied <- r
	}
	return r, err
}

// TestTrashOfAGenerationBefore: what a leader found due before a generation began
// that pauses names stays, though its command comes after it in the log.
func TestTrashOfAGenerationBefore(t *testing.T) {
	b := newBed(t, 3)
	b.must(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: "bucket", TrashKeepMs: 1}}})
	b.put("kept", 1, 2, 3)
	b.delete("kept")
	log := &overtakenLog{bed: b, emptied: make(chan *record.Result, 1)}
	b.lead(dispatch.New(dispatch.Config{
		Log: log, Registry: prometheus.NewRegistry(), Now: func() time.Time { return time.UnixMilli(1 << 40) },
		Ping:   func(context.Context, string) (*pb.BlockserverStatus, error) { return &pb.BlockserverStatus{}, nil },
		Timing: dispatch.Timing{TrashTick: 5 * time.Millisecond},
	}), 1)
	select {
	case r := <-log.emptied:
		if got := r.GetEmptyTrash(); got.GetApplied() != 0 || got.GetIgnored() != 1 {
			t.Errorf("emptied over the pause: %v", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the leader does not empty the trash")
	}
	if n := b.counters().TrashObjects; n != 1 {
		t.Errorf("%d objects are in the trash", n)
	}
}
