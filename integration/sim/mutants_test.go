package sim_test

import (
	"flag"
	"fmt"
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

// TestMutants leaves one rule out at a time: the checkers have to notice.
func TestMutants(t *testing.T) {
	if !*mutants {
		t.Skip("make mutants")
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-40s %8s %8s %8s  %-10s %s\n", "mutant", "seeds", "seed", "step", "checker", "took")
	for _, m := range sim.Mutants() {
		if !strings.Contains(m.String(), *mutantFilter) {
			continue
		}
		begun := time.Now()
		k := hunt(m, *mutantSeeds)
		took := time.Since(begun).Round(10 * time.Millisecond)
		if k.failure == nil {
			fmt.Fprintf(&table, "%-40s %8d %8s %8s  %-10s %s\n", m, k.tried, "-", "-", "ALIVE", took)
			t.Errorf("%s is not killed in %d seeds", m, k.tried)
			continue
		}
		fmt.Fprintf(&table, "%-40s %8d %8d %8d  %-10s %s\n", m, k.tried, k.seed, k.failure.Step, k.failure.Checker, took)
	}
	t.Logf("\n%s", table.String())
}
