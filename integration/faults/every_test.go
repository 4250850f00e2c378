package faults_test

import (
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/faults"
)

// diskSize is enough for a load, and little enough to fill.
const diskSize = 256 << 20

// smallDisks gives one blockserver and one metaserver a disk that can be filled.
var smallDisks = map[string]int64{"block-2": diskSize, "meta-2": diskSize}

// TestMissing prints what is not shown on this machine.
func TestMissing(t *testing.T) {
	for _, what := range faults.Missing() {
		t.Logf("not on this machine: %s", what)
	}
}

// TestEveryFault: each fault alone, for some seconds under load: no read is
// wrong, and once it is healed all replicas agree and all that was acknowledged
// is there. ASHLAR_LONG=1 asks for it.
func TestEveryFault(t *testing.T) {
	if !long() {
		t.Skip("takes many minutes; ASHLAR_LONG=1 asks for it")
	}
	for name, cfg := range map[string]cluster.Config{
		"machines": {Machines: true, Disks: smallDisks, MetaFlags: []string{faults.TrailingLogs}},
		"proxied":  {Proxied: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, cfg)
			for _, f := range b.faults {
				if !t.Run(f.Name(), func(t *testing.T) {
					b.one(t, f, func(t *testing.T) { b.lasts(t, 5*time.Second) })
				}) {
					return
				}
			}
			b.load.check(b.ctx)
		})
	}
}
