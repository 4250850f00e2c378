package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Campaign describes many runs. It is over when Runs are done, or when no run is
// begun any more after Time; 0 means that there is no such end.
type Campaign struct {
	// Config is of each run; its Dir holds a folder a run, and its Seed is the first
	// run's.
	Config
	// Named are the only faults, in turn, if there are any.
	Named []string
	// Beds are what clusters stand on; each fault is made on the first that has it.
	Beds []Bed
	Runs int
	Time time.Duration
	// From is the number of the first run: faults go by number.
	From int
	// AtOnce is how many runs are under way at a time; 0 means 1.
	AtOnce int
	// Through: a run that fails does not end the campaign.
	Through bool
}

// Do runs the campaign. A run that fails has its folder kept and its seed, cause and
// repetition told in the error; no run begins after it, unless the campaign goes
// Through. Folders of clean runs are removed.
func (c Campaign) Do(ctx context.Context) (*Table, error) {
	u := &underWay{Campaign: c, begun: time.Now()}
	var err error
	if u.plan, err = c.survey(ctx); err != nil {
		return &u.table, err
	}
	c.Log("%d faults", len(u.plan.singles))
	var working sync.WaitGroup
	for range max(1, c.AtOnce) {
		working.Go(func() {
			for u.next(ctx) {
			}
		})
	}
	working.Wait()
	return &u.table, errors.Join(u.failed...)
}

// underWay is a campaign that is being done.
type underWay struct {
	Campaign
	plan  *plan
	begun time.Time

	mu     sync.Mutex
	drawn  int
	table  Table
	failed []error
}

// draw gives the number of the next run, unless the campaign is over.
func (u *underWay) draw() (i int, more bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.failed) > 0 && !u.Through || u.Runs > 0 && u.drawn >= u.Runs || u.Time > 0 && time.Since(u.begun) >= u.Time {
		return 0, false
	}
	u.drawn++
	return u.drawn - 1, true
}

// next does one more run; false: there is none.
func (u *underWay) next(ctx context.Context) bool {
	i, more := u.draw()
	if !more || ctx.Err() != nil {
		return false
	}
	cfg, err := u.config(i)
	if err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.failed = append(u.failed, err)
		return false
	}
	begun := time.Now()
	result, err := Run(ctx, cfg)
	if result == nil {
		result = &Result{Seed: cfg.Seed, Fault: cfg.Fault}
	}
	result.Seconds = time.Since(begun).Seconds()
	if err != nil {
		result.Failure = err.Error()
		cfg.Log("  failed: %v", err)
	} else {
		cfg.Log("  clean: %d operations, %d ambiguous, %d searches", result.Verdict.Operations, result.Verdict.Ambiguous, result.Verdict.Keys+result.Verdict.Prefixes)
	}
	u.take(cfg, result, err)
	return true
}

// config is of run i.
func (u *underWay) config(i int) (cfg Config, err error) {
	cfg = u.Config
	cfg.Seed += uint64(i)
	chosen := u.plan.choose(u.From+i, cfg.Seed)
	if n := len(u.Named); n > 0 {
		if chosen, err = u.plan.named(u.Named[i%n]); err != nil {
			return cfg, err
		}
	}
	cfg.Bed, cfg.Fault = chosen.bed, chosen.fault
	cfg.Dir = filepath.Join(u.Dir, fmt.Sprintf("run-%d", cfg.Seed))
	cfg.Log = func(format string, args ...any) { u.Log("%d: "+format, append([]any{cfg.Seed}, args...)...) }
	return cfg, nil
}

// take keeps what a run showed. It writes after each: a campaign of hours may be
// ended by anything.
func (u *underWay) take(cfg Config, result *Result, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.table.Add(result)
	if err != nil {
		err = fmt.Errorf("seed %d, %s: %w\nkept in %s; again with:\n  %s", cfg.Seed, cfg.Fault, err, cfg.Dir, again(cfg))
		err = errors.Join(err, os.WriteFile(filepath.Join(cfg.Dir, "failure.txt"), []byte(err.Error()+"\n"), 0o600))
	} else {
		err = os.RemoveAll(cfg.Dir)
	}
	if err = errors.Join(err, result.append(u.Dir), u.table.Save(u.Dir)); err != nil {
		u.failed = append(u.failed, err)
	}
}

// again is the command that repeats a run.
func again(cfg Config) string {
	return fmt.Sprintf("go test -count=1 -v ./integration/torture -run TestTorture -torture.runs 1 -torture.bed %s -torture.seed %d -torture.fault '%s' -torture.load %v",
		cfg.Bed.Name, cfg.Seed, cfg.Fault, cfg.Load)
}
