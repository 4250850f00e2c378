package faults_test

import (
	"math/rand/v2"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/faults"
)

// TestProcesses: under each fault of a process writes go on, at the latest once
// it is healed, and nothing acknowledged is lost.
func TestProcesses(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c, ctx := start(t, cluster.Config{})
	l := drive(t, ctx, c, seed)
	for _, f := range faults.All(c, rand.New(rand.NewPCG(seed, 1))) {
		l.more(ctx, 20)
		if err := f.Inject(ctx); err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		if f.Name() != "kill-all-metaservers" {
			l.more(ctx, 20)
		}
		if err := f.Heal(ctx); err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		t.Logf("%s: %d writes so far", f.Name(), l.count.Load())
	}
	l.more(ctx, 20)
	l.check(ctx)
}
