package faults_test

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/faults"
)

// TestGroup: what operators do to the metaservers while the cluster is in use.
func TestGroup(t *testing.T) {
	b := newBed(t, cluster.Config{MetaFlags: []string{faults.TrailingLogs}})
	defer b.load.check(b.ctx)

	term := b.term(t)
	b.under(t, "transfer-leadership", b.unharmed)
	if now := b.term(t); now == term {
		t.Errorf("leadership was handed over and the term still is %d", now)
	}
	b.under(t, "restart-one-by-one", b.works)
	b.under(t, "replace-follower", b.works)
	before := b.snapshots(t)
	b.under(t, "install-snapshot", b.works)
	for name, index := range b.snapshots(t) {
		if index > before[name] {
			return
		}
	}
	t.Error("no metaserver has a newer snapshot than before")
}
