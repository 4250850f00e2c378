package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/history"
)

// Result is what one run showed.
type Result struct {
	Seed uint64 `json:"seed"`
	// Fault is what the run was about; Figures are of each time that a fault was in
	// force, the stopped leader of every run included.
	Fault   string           `json:"fault"`
	Figures []Figures        `json:"figures"`
	Verdict *history.Verdict `json:"verdict"`
	Seconds float64          `json:"seconds"`
	// Failure is what was not as promised; empty for a clean run.
	Failure string `json:"failure,omitempty"`
}

// Figures are of one fault, once or over several runs.
type Figures struct {
	Fault string `json:"fault"`
	Times int    `json:"times"`
	// Alone is how often one of several could not be put in force beside the others.
	Alone int `json:"alone,omitempty"`
	// Operations of clients of the SDK were under way or called while the fault was
	// in force; Answered of them were served (a refusal is an answer) while it still
	// was, and Ambiguous are writes of which the client could not be told whether
	// they happened.
	Operations int `json:"operations"`
	Answered   int `json:"answered"`
	Ambiguous  int `json:"ambiguous"`
	// Failover is from the fault to the first answer of every client to something
	// that it asked after it; Recovery the same from the beginning of healing. The
	// longest of several runs.
	Failover time.Duration `json:"failover_ns"`
	Recovery time.Duration `json:"recovery_ns"`
}

func (t *run) result(ops []history.Operation) *Result {
	r := &Result{Seed: t.cfg.Seed, Fault: t.cfg.Fault}
	for _, p := range t.phases {
		r.Figures = append(r.Figures, p.figures(ops, t.cfg.Clients))
	}
	return r
}

func (p phase) figures(ops []history.Operation, clients int) Figures {
	f := Figures{Fault: p.fault, Times: 1}
	if p.alone {
		f.Alone = 1
	}
	failover, recovery := map[int]int64{}, map[int]int64{}
	for i := range ops {
		o := &ops[i]
		if o.Client >= clients {
			continue
		}
		if p.from <= o.Return && o.Call < p.heal {
			f.Operations++
			if o.Answered() && o.Return < p.heal {
				f.Answered++
			}
			if o.Outcome == history.Unknown {
				f.Ambiguous++
			}
		}
		if o.Answered() {
			first(failover, o, p.from)
			first(recovery, o, p.heal)
		}
	}
	f.Failover, f.Recovery = longest(failover, p.from), longest(recovery, p.heal)
	return f
}

// first keeps the earliest return of what each client asked after a moment.
func first(by map[int]int64, o *history.Operation, after int64) {
	if at, ok := by[o.Client]; o.Call >= after && (!ok || o.Return < at) {
		by[o.Client] = o.Return
	}
}

func longest(by map[int]int64, after int64) (d time.Duration) {
	for _, at := range by {
		d = max(d, time.Duration(at-after))
	}
	return d
}

// resultsFile has a line of JSON a run.
const resultsFile = "results.jsonl"

// append adds a run to the results in a folder.
func (r *Result) append(dir string) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, resultsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// Load reads the results that campaigns have left in a folder.
func Load(dir string) (results []*Result, err error) {
	f, err := os.Open(filepath.Join(dir, resultsFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	for lines := json.NewDecoder(f); ; {
		r := &Result{}
		switch err := lines.Decode(r); {
		case errors.Is(err, io.EOF):
			return results, nil
		case err != nil:
			return nil, fmt.Errorf("%s, run %d: %w", f.Name(), len(results)+1, err)
		}
		results = append(results, r)
	}
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
