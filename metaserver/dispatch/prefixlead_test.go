package dispatch_test

import (
	"fmt"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestDeleteOfPrefixAcrossLeaders: two leaders at once, one of which is deposed in
// the middle, and objects with blocks beyond what may wait to be taken back: every
// object ends once, and no more piles up than the limit and one step.
func TestDeleteOfPrefixAcrossLeaders(t *testing.T) {
	b := newBed(t, 3)
	const objects = 3000
	for i := range objects {
		b.put(fmt.Sprintf("gone/%04d", i), 1, 2, 3)
	}
	b.put("kept/1", 1, 2, 3)
	b.must(&record.Command{Body: &record.Command_DeletePrefix{DeletePrefix: &pb.DeletePrefixRequest{Bucket: "bucket", Prefix: "gone/"}}})
	first, second := b.dispatcher(), b.dispatcher()
	end := b.lead(first, 1)
	b.lead(second, 2)
	b.eventually("the delete has begun", func() bool { return b.counters().Objects < objects })
	end()
	b.eventually("the delete ends", func() bool {
		n := b.counters()
		if n.UnreferenceJobs > dispatch.MaxPendingJobs+1000 {
			t.Fatalf("%d jobs wait", n.UnreferenceJobs)
		}
		return n.PrefixJobs == 0 && n.UnreferenceJobs == 0
	})
	jobs, err := state.PrefixJobs(b.rows.View(), true)
	if err != nil || len(jobs) != 1 || jobs[0].Objects != objects || jobs[0].References != objects {
		t.Fatal(err, jobs)
	}
	if n := b.counters(); n.Objects != 1 || n.References != 1 {
		t.Errorf("%d objects and %d references are left", n.Objects, n.References)
	}
}
