package health

import (
	"fmt"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Runs tells whether a job has not ended.
func Runs(j *pb.JobInfo) bool { return j.GetState() == "running" }

// Explain names, for each job that runs, the one thing that it waits for: a node by
// its number, a setting, or what has to come first. A job that goes on by itself
// waits for nothing.
func Explain(r state.Reader, obs schedule.Observation, jobs []*pb.JobInfo) error {
	plan, err := schedule.Next(r, obs)
	if err != nil {
		return err
	}
	moves := worst(plan.Waiting)
	for _, j := range jobs {
		// A delete of a prefix moves no block.
		if !Runs(j) || j.GetKind() == Delete {
			continue
		}
		j.WaitsFor = moves
		if _, node, err := ParseID(j.GetId()); err == nil && node != 0 {
			if j.WaitsFor, err = schedule.Waits(r, obs, protocol.NodeID(node)); err != nil {
				return err
			}
		}
	}
	return nil
}

// worst is what most blocks that are to be moved or copied wait for. That nodes
// are busy is no reason: they are busy with this.
func worst(waiting []schedule.Waiting) (why string) {
	most := 0
	for _, w := range waiting {
		if w.Class != state.ClassMove && w.Class != state.ClassRedundancy || strings.Contains(w.Why, "slot free") || w.Count <= most {
			continue
		}
		most, why = w.Count, w.Why
	}
	if most > 1 {
		why = fmt.Sprintf("%s (%d blocks)", why, most)
	}
	return why
}
