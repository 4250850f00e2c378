package dispatch

import (
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch/health"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestPlanPrefix(t *testing.T) {
	at := func(counter uint64) *pb.Version { return &pb.Version{Generation: 1, Counter: counter} }
	jobs := []*record.PrefixJob{{Upto: at(5), Cursor: "five"}, {Upto: at(9), Cursor: "nine"}}
	for _, tc := range []struct {
		name   string
		jobs   []*record.PrefixJob
		n      *pb.Counters
		last   uint64
		cursor string
	}{
		{"nothing runs", nil, &pb.Counters{}, 0, ""},
		{"the first", jobs, &pb.Counters{}, 0, "five"},
		{"the next in turn", jobs, &pb.Counters{}, 5, "nine"},
		{"around", jobs, &pb.Counters{}, 9, "five"},
		{"its turn has ended", jobs, &pb.Counters{}, 7, "nine"},
		{"just below the limits", jobs, &pb.Counters{UnreferenceJobs: MaxPendingJobs - 1, UnreferenceLeft: MaxPendingReferences - 1}, 0, "five"},
		{"the first is held", jobs, &pb.Counters{}, 0, "nine"},
		{"and stays so in turn", jobs, &pb.Counters{}, 9, "nine"},
		{"all are held", jobs[:1], &pb.Counters{}, 0, ""},
		{"too many jobs wait", jobs, &pb.Counters{UnreferenceJobs: MaxPendingJobs}, 0, ""},
		{"too many references wait", jobs, &pb.Counters{UnreferenceLeft: MaxPendingReferences}, 0, ""},
	} {
		settings := &record.Settings{PausedClasses: 1 << state.ClassCondemn}
		if strings.Contains(tc.name, "held") || strings.Contains(tc.name, "stays") {
			settings.PausedClasses = state.HeldByRestore
		}
		step := planPrefix(tc.jobs, &record.Cluster{Counters: tc.n, Settings: settings, First: at(7)}, protocol.Version{Generation: 1, Counter: tc.last})
		if step.GetCursor() != tc.cursor || step != nil && (step.Count == 0 || step.Count > protocol.MaxPrefixStep) {
			t.Errorf("%s: planned %v", tc.name, step)
		}
	}
}

// TestDeletesTellWhatTheyWaitFor: while too much waits to be taken back a delete
// that runs says so, and nothing else does.
func TestDeletesTellWhatTheyWaitFor(t *testing.T) {
	jobs := []*pb.JobInfo{{Id: "delete-1.7", Kind: health.Delete, State: "running"}, {Id: "delete-1.8", Kind: health.Delete, State: "done"}, {Id: "drain-1", Kind: "drain", State: "running"}}
	explainDeletes(&record.Cluster{Counters: &pb.Counters{UnreferenceJobs: MaxPendingJobs - 1}}, jobs)
	if jobs[0].WaitsFor != "" {
		t.Error(jobs[0].WaitsFor)
	}
	explainDeletes(&record.Cluster{Counters: &pb.Counters{UnreferenceJobs: 7, UnreferenceLeft: MaxPendingReferences}}, jobs)
	if want := "what is deleted already to give its references back: 7 objects, 100000 references, of which at most 2000 and 100000 may wait"; jobs[0].WaitsFor != want {
		t.Error(jobs[0].WaitsFor)
	}
	explainDeletes(&record.Cluster{Settings: &record.Settings{PausedClasses: state.HeldByRestore}, First: &pb.Version{Generation: 2, Counter: 1}}, jobs)
	if want := "`ashlar gc resume`, for it began before the metadata was put back; `ashlar job cancel delete-1.7` ends it"; jobs[0].WaitsFor != want {
		t.Error(jobs[0].WaitsFor)
	}
	if jobs[1].WaitsFor+jobs[2].WaitsFor != "" {
		t.Error(jobs)
	}
}
