package schedule_test

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestDrainWaitsForNodes: blocks come to ask for more copies than nodes are left
// while one is drained. No copy of theirs can be dropped, and the drain says so.
func TestDrainWaitsForNodes(t *testing.T) {
	b, _ := settledBed(t, 4)
	b.change(pb.NodeChange_DRAIN, 2)
	c, err := state.ClusterRow(b.table)
	if err != nil {
		t.Fatal(err)
	}
	c.Settings.Redundancy = 4
	b.must(&record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{Settings: c.Settings, IfVersion: c.SettingsVersion}}})
	b.rounds(20)
	b.waitsFor(2, "more nodes: some blocks are to have 4 copies, and 3 nodes are left to hold them")
}
