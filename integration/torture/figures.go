package torture

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
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
}

// Figures are of one fault, once or over several runs.
type Figures struct {
	Fault string `json:"fault"`
	Times int    `json:"times"`
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

// Table is what a campaign showed.
type Table struct {
	Runs       int     `json:"runs"`
	Operations int     `json:"operations"`
	Judged     int     `json:"judged"`
	Ambiguous  int     `json:"ambiguous"`
	Session    int     `json:"session_reads"`
	Stale      int     `json:"stale_reads"`
	Searches   int     `json:"searches"`
	OutOfTime  int     `json:"searches_out_of_time"`
	Seconds    float64 `json:"seconds"`
	// Faults are by name.
	Faults []Figures `json:"faults"`
}

// add takes a run into the table.
func (t *Table) add(r *Result) {
	t.Runs++
	t.Operations += r.Verdict.Operations
	t.Judged += r.Verdict.Judged
	t.Ambiguous += r.Verdict.Ambiguous
	t.Session += r.Verdict.Session
	t.Stale += r.Verdict.Stale
	t.Searches += r.Verdict.Keys + r.Verdict.Prefixes
	t.OutOfTime += len(r.Verdict.OutOfTime)
	for _, f := range r.Figures {
		i, found := slices.BinarySearchFunc(t.Faults, f, func(a, b Figures) int { return cmp.Compare(a.Fault, b.Fault) })
		if !found {
			t.Faults = slices.Insert(t.Faults, i, Figures{Fault: f.Fault})
		}
		at := &t.Faults[i]
		at.Times += f.Times
		at.Operations += f.Operations
		at.Answered += f.Answered
		at.Ambiguous += f.Ambiguous
		at.Failover, at.Recovery = max(at.Failover, f.Failover), max(at.Recovery, f.Recovery)
	}
}

// Print writes the table as text.
func (t *Table) Print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\ttimes\toperations\tambiguous\tanswered\tfailover, longest\trecovery, longest\t")
	for _, f := range t.Faults {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%.1f s\t%.1f s\t\n", f.Fault, f.Times, f.Operations,
			share(f.Ambiguous, f.Operations), share(f.Answered, f.Operations), f.Failover.Seconds(), f.Recovery.Seconds())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(to, "%d runs in %.0f s: %d operations, %d judged, %d ambiguous, %d session and %d stale reads; %d searches, %d out of time\n",
		t.Runs, t.Seconds, t.Operations, t.Judged, t.Ambiguous, t.Session, t.Stale, t.Searches, t.OutOfTime)
	return err
}

func share(part, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}
