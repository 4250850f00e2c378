package dispatch

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func job(counter, cursor, left uint64) state.UnreferenceWork {
	return state.UnreferenceWork{Job: protocol.Version{Generation: 1, Counter: counter}, Cursor: cursor, Left: left}
}

func TestPlanUnreference(t *testing.T) {
	const most = unreferenceBudget
	many := make([]state.UnreferenceWork, 3*unreferenceJobs)
	for i := range many {
		many[i] = job(uint64(i+1), 0, 1)
	}
	for _, tc := range []struct {
		name   string
		work   []state.UnreferenceWork
		counts []uint32
	}{
		{"nothing", nil, nil},
		{"one small", []state.UnreferenceWork{job(7, 3, 5)}, []uint32{5}},
		{"larger than the budget", []state.UnreferenceWork{job(7, 0, most+1), job(8, 0, 1)}, []uint32{most}},
		{"shared budget", []state.UnreferenceWork{job(7, 0, most-2), job(8, 0, 5), job(9, 0, 1)}, []uint32{most - 2, 2}},
		{"nothing left", []state.UnreferenceWork{job(7, 4, 0)}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := planUnreference(tc.work)
			if tc.counts == nil {
				if plan != nil {
					t.Fatalf("planned %v for nothing", plan)
				}
				return
			}
			if len(plan.Steps) != len(tc.counts) {
				t.Fatalf("%d steps, want %d", len(plan.Steps), len(tc.counts))
			}
			for i, s := range plan.Steps {
				w := tc.work[i]
				if s.Count != tc.counts[i] || s.Cursor != w.Cursor || s.Job.Counter != w.Job.Counter || s.Job.Generation != w.Job.Generation {
					t.Errorf("step %d is %v for %v", i, s, w)
				}
			}
		})
	}
	if n := len(planUnreference(many).Steps); n != unreferenceJobs {
		t.Errorf("%d steps in one command, want %d", n, unreferenceJobs)
	}
}
