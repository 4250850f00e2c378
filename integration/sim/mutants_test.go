package sim_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/sim"
)

var (
	mutants      = flag.Bool("sim.mutants", false, "run every mutant until it is killed")
	mutantSeeds  = flag.Int("sim.mutantseeds", 4000, "the most seeds that a mutant gets")
	mutantFilter = flag.String("sim.mutant", "", "only mutants whose name contains this")
)

// killed is how a mutant ended.
type killed struct {
	seed    uint64
	tried   int
	failure *sim.Failure
}

// hunt runs seeds until one kills the mutant.
func hunt(m sim.Mutant, most int) (k killed) {
	options := func(seed uint64) sim.Options { return sim.Options{Seed: seed, Mutant: m} }
	campaign(1, most, options, func(seed uint64, r *sim.Result) bool {
		k.tried++
		if r.Failure != nil && (k.failure == nil || seed < k.seed) {
			k.seed, k.failure = seed, r.Failure
		}
		return k.failure == nil
	})
	return k
}

// TestMutants leaves one rule out at a time: the checkers have to notice. With a
// seed of its own it prints what happens in that one instead. A seed that fails
// without the mutant as well has found something else.
func TestMutants(t *testing.T) {
	if !*mutants {
		t.Skip("make mutants")
	}
	seeds, begun := 0, time.Now()
	t.Logf("%-40s %8s %8s  %-10s %s", "mutant", "seed", "step", "checker", "took")
	for _, m := range sim.Mutants() {
		if !strings.Contains(m.String(), *mutantFilter) {
			continue
		}
		if *only != 0 {
			r := sim.Run(sim.Options{Seed: *only, Steps: *steps, Mutant: m, Trace: true})
			if r.Failure != nil {
				t.Logf("%s, seed %d: %v\n%s", m, *only, r.Failure, strings.Join(r.Failure.Trace, "\n"))
			}
			continue
		}
		from := time.Now()
		k := hunt(m, *mutantSeeds)
		took := time.Since(from).Round(10 * time.Millisecond)
		seeds += k.tried
		if k.failure == nil {
			t.Errorf("%-40s %8s %8s  %-10s %s", m, "-", "-", "ALIVE", took)
			continue
		}
		if r := sim.Run(sim.Options{Seed: k.seed}); r.Failure != nil {
			t.Errorf("%-40s %8d %8d  %-10s fails without it as well: %v", m, k.seed, k.failure.Step, k.failure.Checker, r.Failure)
			continue
		}
		t.Logf("%-40s %8d %8d  %-10s %s", m, k.seed, k.failure.Step, k.failure.Checker, took)
	}
	t.Logf("%d runs in %s", seeds, time.Since(begun).Round(time.Second))
}
