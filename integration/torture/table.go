package torture

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Table is what a campaign showed, or several together.
type Table struct {
	Runs int `json:"runs"`
	// Failed are the runs that were not clean.
	Failed     []Failed `json:"failed,omitempty"`
	Operations int      `json:"operations"`
	Judged     int      `json:"judged"`
	Ambiguous  int      `json:"ambiguous"`
	Session    int      `json:"session_reads"`
	Stale      int      `json:"stale_reads"`
	Searches   int      `json:"searches"`
	OutOfTime  int      `json:"searches_out_of_time"`
	// Seconds is how long all runs took, were they one after the other.
	Seconds float64 `json:"seconds"`
	// Faults are by name.
	Faults []Figures `json:"faults"`
}

// Failed is one run that was not clean.
type Failed struct {
	Seed  uint64 `json:"seed"`
	Fault string `json:"fault"`
	Why   string `json:"why"`
}

// Add takes a run into the table.
func (t *Table) Add(r *Result) {
	t.Runs++
	t.Seconds += r.Seconds
	if r.Failure != "" {
		t.Failed = append(t.Failed, Failed{r.Seed, r.Fault, r.Failure})
	}
	if v := r.Verdict; v != nil {
		t.Operations += v.Operations
		t.Judged += v.Judged
		t.Ambiguous += v.Ambiguous
		t.Session += v.Session
		t.Stale += v.Stale
		t.Searches += v.Keys + v.Prefixes
		t.OutOfTime += len(v.OutOfTime)
	}
	for _, f := range r.Figures {
		t.Faults = include(t.Faults, f)
	}
}

// include adds figures to those of the same name, which are sorted.
func include(all []Figures, f Figures) []Figures {
	i, found := slices.BinarySearchFunc(all, f, func(a, b Figures) int { return cmp.Compare(a.Fault, b.Fault) })
	if !found {
		return slices.Insert(all, i, f)
	}
	at := &all[i]
	at.Times += f.Times
	at.Alone += f.Alone
	at.Operations += f.Operations
	at.Answered += f.Answered
	at.Ambiguous += f.Ambiguous
	at.Failover, at.Recovery = max(at.Failover, f.Failover), max(at.Recovery, f.Recovery)
	return all
}

// Summary is the table in a sentence.
func (t *Table) Summary() string {
	return fmt.Sprintf("%d runs in %.0f s, %d of them clean: %d operations, %d judged, %d ambiguous, %d session and %d stale reads; %d searches, %d out of time",
		t.Runs, t.Seconds, t.Runs-len(t.Failed), t.Operations, t.Judged, t.Ambiguous, t.Session, t.Stale, t.Searches, t.OutOfTime)
}

// columns are what is said of a fault.
var columns = []string{"fault", "times", "operations", "ambiguous", "answered", "failover, longest", "recovery, longest"}

func (f *Figures) cells() []string {
	return []string{
		f.Fault, fmt.Sprint(f.Times), fmt.Sprint(f.Operations), share(f.Ambiguous, f.Operations), share(f.Answered, f.Operations),
		fmt.Sprintf("%.1f s", f.Failover.Seconds()), fmt.Sprintf("%.1f s", f.Recovery.Seconds()),
	}
}

// Print writes the table as text.
func (t *Table) Print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, strings.Join(columns, "\t")+"\t")
	for i := range t.Faults {
		fmt.Fprintln(w, strings.Join(t.Faults[i].cells(), "\t")+"\t")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return t.close(to)
}

// close writes what is said below a table.
func (t *Table) close(to io.Writer) error {
	alone := 0
	for _, f := range t.Faults {
		alone += f.Alone
	}
	_, err := fmt.Fprintf(to, "%s\nof two at once, the second could not be put in force beside the first %d times\n", t.Summary(), alone)
	for _, f := range t.Failed {
		if err == nil {
			_, err = fmt.Fprintf(to, "not clean: seed %d, %s: %s\n", f.Seed, f.Fault, strings.TrimSpace(strings.SplitN(f.Why, "\n", 2)[0]))
		}
	}
	return err
}

// Markdown writes the table as pages have it: faults that were in force together
// share a row.
func (t *Table) Markdown(to io.Writer) error {
	var rows []Figures
	together, pairs := Figures{}, 0
	for _, f := range t.Faults {
		if !strings.Contains(f.Fault, "+") {
			rows = append(rows, f)
			continue
		}
		pairs++
		f.Fault = ""
		together = include([]Figures{together}, f)[0]
	}
	if pairs > 0 {
		together.Fault = fmt.Sprintf("two at once, %d pairs", pairs)
		rows = append(rows, together)
	}
	lines := []string{"| " + strings.Join(columns, " | ") + " |", "| --- |" + strings.Repeat(" --: |", len(columns)-1)}
	for i := range rows {
		lines = append(lines, "| "+strings.Join(rows[i].cells(), " | ")+" |")
	}
	if _, err := fmt.Fprintf(to, "%s\n\n", strings.Join(lines, "\n")); err != nil {
		return err
	}
	return t.close(to)
}

func share(part, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}
