package faults_test

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// TestClocks: metaservers whose clocks are an hour or a day off, each in its own
// direction, serve and agree as with right ones; a leader whose clock is behind
// follows one whose clock was ahead, and the reverse.
func TestClocks(t *testing.T) {
	b := newBed(t, cluster.Config{})
	defer b.load.check(b.ctx)
	b.under(t, "shift-clock-of-leader", b.unharmed)
	b.under(t, "shift-clocks-of-all-metaservers", func(t *testing.T) {
		b.unharmed(t)
		for range b.Meta {
			lead := b.leader(t)
			if err := lead.Stop(); err != nil {
				t.Errorf("%s: %v", lead.Name, err)
			}
			b.works(t)
			if err := lead.Start("--clock-offset=-1h"); err != nil {
				t.Fatal(err)
			}
			if err := b.WaitReady(b.ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
}
