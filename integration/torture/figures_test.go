package torture

import (
	"context"
	"errors"
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

func TestTable(t *testing.T) {
	table := &Table{}
	verdict := &history.Verdict{Operations: 10, Judged: 8, Ambiguous: 1, Keys: 2, Prefixes: 1}
	table.add(&Result{Verdict: verdict, Figures: []Figures{{Fault: "z", Times: 1, Operations: 4, Answered: 2, Failover: time.Second}, {Fault: "a", Times: 1}}})
	table.add(&Result{Verdict: verdict, Figures: []Figures{{Fault: "z", Times: 1, Operations: 4, Answered: 4, Ambiguous: 1}}})
	var text strings.Builder
	if err := table.Print(&text); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{"a 1 0 - - 0.0 s 0.0 s", "z 2 8 12.5 % 75.0 % 1.0 s 0.0 s", "2 runs", "20 operations, 16 judged, 2 ambiguous", "6 searches"} {
		if !strings.Contains(words, want) {
			t.Errorf("no %q in\n%s", want, text.String())
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
