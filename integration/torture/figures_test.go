package torture

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-7d21a5b5/ashlar/integration/history"
)

func op(client int, call, back time.Duration, outcome history.Outcome) history.Operation {
	return history.Operation{Client: client, Verb: history.Put, Call: int64(call), Return: int64(back), Outcome: outcome}
}

func TestFiguresOfAFault(t *testing.T) {
	const s = time.Second
	p := phase{fault: "f", from: int64(10 * s), heal: int64(20 * s), healed: int64(21 * s)}
	ops := []history.Operation{
		op(0, 1*s, 2*s, history.Done),     // before
		op(0, 9*s, 13*s, history.Unknown), // under way
		op(0, 13*s, 14*s, history.Refused),
		op(0, 19*s, 22*s, history.Done), // answered after healing
		op(0, 23*s, 24*s, history.Done),
		op(1, 9*s, 11*s, history.Done),
		op(1, 12*s, 16*s, history.Nothing),
		op(1, 17*s, 25*s, history.Absent),
		op(1, 26*s, 27*s, history.Done),
		op(100, 12*s, 13*s, history.Done), // no client of the SDK
	}
	want := Figures{Fault: "f", Times: 1, Operations: 6, Answered: 2, Ambiguous: 1, Failover: 15 * s, Recovery: 7 * s}
	if diff := cmp.Diff(want, p.figures(ops, 2)); diff != "" {
		t.Error(diff)
	}
}

// shown are the results of three runs, one of which failed.
func shown() []*Result {
	verdict := &history.Verdict{Operations: 10, Judged: 8, Ambiguous: 1, Keys: 2, Prefixes: 1}
	return []*Result{
		{Seed: 1, Verdict: verdict, Seconds: 30, Figures: []Figures{
			{Fault: "z", Times: 1, Operations: 4, Answered: 2, Failover: time.Second}, {Fault: "a+b", Times: 1, Alone: 1, Operations: 1, Answered: 1},
		}},
		{Seed: 2, Verdict: verdict, Seconds: 31, Figures: []Figures{
			{Fault: "z", Times: 1, Operations: 4, Answered: 4, Ambiguous: 1}, {Fault: "b+c", Times: 1, Operations: 3, Answered: 1, Recovery: time.Second},
		}},
		{Seed: 3, Fault: "y", Seconds: 2, Failure: "a port is in use\nand more", Figures: []Figures{{Fault: "y", Times: 1}}},
	}
}

func TestTable(t *testing.T) {
	table := &Table{}
	for _, r := range shown() {
		table.Add(r)
	}
	for name, print := range map[string]struct {
		to    func(io.Writer) error
		wants []string
	}{
		"text": {table.Print, []string{
			"y 1 0 - - 0.0 s 0.0 s", "z 2 8 12.5 % 75.0 % 1.0 s 0.0 s", "a+b 1 1 0.0 % 100.0 % 0.0 s 0.0 s",
			"3 runs in 63 s, 2 of them clean", "20 operations, 16 judged, 2 ambiguous", "6 searches", "not clean: seed 3, y: a port is in use",
		}},
		"Markdown": {table.Markdown, []string{
			"| --- | --: |", "| z | 2 | 8 | 12.5 % | 75.0 % | 1.0 s | 0.0 s |", "| two at once, 2 pairs | 2 | 4 | 0.0 % | 50.0 % | 0.0 s | 1.0 s |",
			"3 runs in 63 s, 2 of them clean", "beside the first 1 times",
		}},
	} {
		var text strings.Builder
		if err := print.to(&text); err != nil {
			t.Fatal(err)
		}
		words := strings.Join(strings.Fields(text.String()), " ")
		for _, want := range print.wants {
			if !strings.Contains(words, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text.String())
			}
		}
	}
}

// TestResultsAreKept: what campaigns leave adds up to the table of all of them.
func TestResultsAreKept(t *testing.T) {
	dir, want, got := t.TempDir(), &Table{}, &Table{}
	for _, r := range shown() {
		want.Add(r)
		if err := r.append(dir); err != nil {
			t.Fatal(err)
		}
	}
	results, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		got.Add(r)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRunsAreDrawn: at once or not, each run of a campaign is drawn once, and a
// failure ends it unless it goes through.
func TestRunsAreDrawn(t *testing.T) {
	for _, through := range []bool{false, true} {
		u := &underWay{Campaign: Campaign{Runs: 3, Through: through}}
		for i := range 2 {
			if n, more := u.draw(); n != i || !more {
				t.Errorf("drew %d, %v instead of %d", n, more, i)
			}
		}
		u.failed = append(u.failed, errors.New("a run failed"))
		if _, more := u.draw(); more != through {
			t.Errorf("through %v, and another is drawn: %v", through, more)
		}
		if _, more := u.draw(); more {
			t.Error("drew a fourth of three")
		}
	}
}

// toy is a fault that notes what is done to it.
type toy struct {
	name string
	fail error
	done []string
}

func (f *toy) Name() string { return f.name }

func (f *toy) Inject(context.Context) error {
	f.done = append(f.done, "inject")
	return f.fail
}

func (f *toy) Heal(context.Context) error {
	f.done = append(f.done, "heal")
	return nil
}

func TestTwoFaultsAtOnce(t *testing.T) {
	a, b := &toy{name: "a"}, &toy{name: "b", fail: errors.New("no leader to be found")}
	f, err := choose([]Fault{a, &toy{name: "c"}, b}, "a+b")
	if err != nil || f.Name() != "a+b" {
		t.Fatalf("chose %v, %v", f, err)
	}
	if err := errors.Join(f.Inject(t.Context()), f.Heal(t.Context())); err != nil {
		t.Errorf("what cannot be beside another fault failed the run: %v", err)
	}
	if missed := f.(*both).missed; len(missed) != 1 || missed[0] != "b: no leader to be found" {
		t.Errorf("missed %q", missed)
	}
	if diff := cmp.Diff([][]string{{"inject", "heal"}, {"inject", "heal"}}, [][]string{a.done, b.done}); diff != "" {
		t.Error(diff)
	}
	if _, err := choose([]Fault{a}, "a+d"); err == nil {
		t.Error("chose a fault that there is not")
	}
}

func TestPlan(t *testing.T) {
	one, two := Bed{Name: "one"}, Bed{Name: "two"}
	p := &plan{
		beds: []Bed{one, two}, singles: []choice{{one, "a"}, {one, "b"}, {two, "c"}},
		names: map[string][]string{"one": {"a", "b"}, "two": {"a", "c"}},
	}
	for n, want := range []string{"a", "b", "c"} {
		if got := p.choose(n, 1).fault; got != want {
			t.Errorf("run %d is about %s", n, got)
		}
	}
	seen := map[string]bool{}
	for seed := range uint64(100) {
		c := p.choose(3, seed)
		seen[c.fault] = true
		if again := p.choose(99, seed); again.fault != c.fault {
			t.Errorf("seed %d gives %s and %s", seed, c.fault, again.fault)
		}
		if named, err := p.named(c.fault); err != nil || named.fault != c.fault {
			t.Errorf("%s is found as %+v, %v", c.fault, named, err)
		}
	}
	if !seen["a+b"] || !seen["b+a"] || !seen["a+c"] || len(seen) != 4 {
		t.Errorf("pairs %v", seen)
	}
	if _, err := p.named("b+c"); err == nil {
		t.Error("no bed has b and c")
	}
}
