package sim_test

import (
	"flag"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/sim"
)

var (
	seeds = flag.Int("sim.seeds", 0, "how many seeds TestSim runs; 0 means a short campaign")
	first = flag.Uint64("sim.first", 1, "the first seed")
	steps = flag.Int("sim.steps", 0, "events of a run before the faults stop; 0 means the default")
	only  = flag.Uint64("sim.seed", 0, "run this seed alone and print what happened")
)

const shortCampaign = 300

// campaign runs seeds on all processors and hands each result to fn, one at a
// time, until fn says that it is enough.
func campaign(from uint64, count int, options func(seed uint64) sim.Options, fn func(seed uint64, r *sim.Result) bool) {
	var mu sync.Mutex
	var group sync.WaitGroup
	next, enough := from, false
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				over := enough || seed >= from+uint64(count)
				mu.Unlock()
				if over {
					return
				}
				r := sim.Run(options(seed))
				mu.Lock()
				enough = enough || !fn(seed, r)
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

// report prints a failure with its shortest trace.
func report(t *testing.T, o sim.Options, r *sim.Result) {
	t.Helper()
	t.Errorf("seed %d: %v", o.Seed, r.Failure)
	small, again := sim.Shrink(o, r.Failure)
	if again.Failure == nil {
		t.Errorf("seed %d does not fail again: the simulation is not deterministic", o.Seed)
		return
	}
	trace := again.Failure.Trace
	const most = 150
	if len(trace) > most {
		trace = trace[len(trace)-most:]
	}
	t.Logf("seed %d without %v: %v\n%s", o.Seed, small.Off, again.Failure, strings.Join(trace, "\n"))
}

func TestSim(t *testing.T) {
	count := *seeds
	if count == 0 {
		count = shortCampaign
	}
	if *only != 0 {
		r := sim.Run(sim.Options{Seed: *only, Steps: *steps, Trace: true})
		if r.Failure != nil {
			t.Errorf("seed %d: %v\n%s", *only, r.Failure, strings.Join(r.Failure.Trace, "\n"))
		}
		return
	}
	options := func(seed uint64) sim.Options { return sim.Options{Seed: seed, Steps: *steps} }
	var cover sim.Cover
	total, ran := 0, 0
	begun := time.Now()
	failed := []uint64{}
	campaign(*first, count, options, func(seed uint64, r *sim.Result) bool {
		total += r.Steps
		ran++
		cover.Add(r.Cover)
		if r.Failure != nil {
			failed = append(failed, seed)
			t.Logf("seed %d: %v", seed, r.Failure)
		}
		return len(failed) < 5
	})
	took := time.Since(begun)
	t.Logf("%d seeds from %d, %d steps in %s: %.0f steps/s\n%s", ran, *first, total, took.Round(time.Millisecond), float64(total)/took.Seconds(), cover.String())
	if len(failed) > 0 {
		o := options(failed[0])
		report(t, o, sim.Run(o))
		return
	}
	if missing := cover.Missing(); ran >= shortCampaign && len(missing) > 0 {
		t.Errorf("never happened: %s", strings.Join(missing, "; "))
	}
}

// TestSeedReplaysARun: nothing but the seed decides.
func TestSeedReplaysARun(t *testing.T) {
	for seed := range uint64(6) {
		once, again := sim.Run(sim.Options{Seed: seed}), sim.Run(sim.Options{Seed: seed, Trace: true})
		if once.Fingerprint != again.Fingerprint || once.Steps != again.Steps {
			t.Errorf("seed %d: %d steps to %s, then %d to %s", seed, once.Steps, once.Fingerprint, again.Steps, again.Fingerprint)
		}
	}
}
