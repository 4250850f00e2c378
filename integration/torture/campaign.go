package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Campaign describes runs one after the other. It is over when Runs are done, or
// when no run is begun any more after Time; 0 means that there is no such end.
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
}

// Do runs the campaign. It stops at the first failure, keeps that run's folder and
// says in the error how to repeat it; folders of clean runs are removed.
func (c Campaign) Do(ctx context.Context) (*Table, error) {
	table := &Table{}
	begun := time.Now()
	plan, err := c.survey(ctx)
	if err != nil {
		return table, err
	}
	c.Log("%d faults", len(plan.singles))
	for i := 0; (c.Runs == 0 || i < c.Runs) && (c.Time == 0 || time.Since(begun) < c.Time); i++ {
		cfg := c.Config
		cfg.Seed += uint64(i)
		chosen := plan.choose(c.From+i, cfg.Seed)
		if n := len(c.Named); n > 0 {
			if chosen, err = plan.named(c.Named[i%n]); err != nil {
				return table, err
			}
		}
		cfg.Bed, cfg.Fault = chosen.bed, chosen.fault
		cfg.Dir = filepath.Join(c.Dir, fmt.Sprintf("run-%d", cfg.Seed))
		result, err := Run(ctx, cfg)
		if result != nil && result.Verdict != nil {
			table.add(result)
		}
		table.Seconds = time.Since(begun).Seconds()
		if err != nil {
			err = fmt.Errorf("seed %d, %s: %w\nkept in %s; again with:\n  %s", cfg.Seed, cfg.Fault, err, cfg.Dir, again(cfg))
			return table, keep(cfg.Dir, table, err)
		}
		c.Log("  clean: %d operations, %d ambiguous, %d searches", result.Verdict.Operations, result.Verdict.Ambiguous, result.Verdict.Keys+result.Verdict.Prefixes)
		// After each run: a campaign of hours may be ended by anything.
		if err := errors.Join(os.RemoveAll(cfg.Dir), table.Save(c.Dir)); err != nil {
			return table, err
		}
	}
	return table, nil
}

// again is the command that repeats a run.
func again(cfg Config) string {
	return fmt.Sprintf("go test -count=1 -v ./integration/torture -run TestTorture -torture.runs 1 -torture.bed %s -torture.seed %d -torture.fault '%s' -torture.load %v",
		cfg.Bed.Name, cfg.Seed, cfg.Fault, cfg.Load)
}

// keep puts the failure and the figures beside the run's data and logs.
func keep(dir string, t *Table, failure error) error {
	if err := os.WriteFile(filepath.Join(dir, "failure.txt"), []byte(failure.Error()+"\n"), 0o600); err != nil {
		return fmt.Errorf("%w\nand that could not be kept: %w", failure, err)
	}
	if err := t.Save(dir); err != nil {
		return fmt.Errorf("%w\nand the figures could not be kept: %w", failure, err)
	}
	return failure
}

// Save writes the table to a folder, as figures.json and figures.txt.
func (t *Table) Save(dir string) error {
	body, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "figures.json"), append(body, '\n'), 0o600); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Print(&text); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "figures.txt"), text.Bytes(), 0o600)
}
