package state_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
)

// TestWhy runs a scenario for each load-bearing rule, named after it: a history
// of reclamation.md, Why each rule, which the rules refuse or survive. Then it
// runs the same history with that one rule left out, and some answer must be
// another: a rule whose loss nobody notices is not needed, or not tested.
//
// The rows of that table which rest on block servers alone (absent before Lost,
// touch verifies, delete below and not at t, acknowledge what is durable) have
// their tests in blockserver/store.
func TestWhy(t *testing.T) {
	for _, rule := range state.Rules() {
		t.Run(rule.String(), func(t *testing.T) {
			file := filepath.Join("testdata", "why", dashed(rule.String())+".txt")
			runScenario(t, file)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &scenario{m: newMachine(t), without: []state.Rule{rule}}
			s.m.unchecked = true
			s.reopen()
			_, differs := play(s, string(text))
			if differs == nil {
				t.Fatalf("without %s nothing differs", rule)
			}
			t.Logf("without %s, line %d:\n%sanswers\n%s", rule, differs.line, differs.text, differs.got)
		})
	}
	files, err := filepath.Glob("testdata/why/*.txt")
	if err != nil || len(files) != len(state.Rules()) {
		t.Fatalf("%d scenarios for %d rules, %v", len(files), len(state.Rules()), err)
	}
}

// dashed makes a file's name of a rule's.
func dashed(name string) string {
	return strings.ToLower(regexp.MustCompile("(.)([A-Z])").ReplaceAllString(name, "$1-$2"))
}

// TestRuleNames: the names are what mutation tests print and look up.
func TestRuleNames(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range state.Rules() {
		if rule.String() == "" || strings.HasPrefix(rule.String(), "Rule(") || seen[rule.String()] {
			t.Errorf("rule %d is called %q", rule, rule)
		}
		seen[rule.String()] = true
	}
	if state.Rule(0).String() != "Rule(0)" || state.Rule(200).String() != "Rule(200)" {
		t.Error("a number that names no rule has a name")
	}
}

// TestOpenWithoutNothing: with no rule left out it is Open.
func TestOpenWithoutNothing(t *testing.T) {
	m, err := state.OpenWithout(table.NewMemory())
	if err != nil || !m.Version().IsZero() {
		t.Fatal(err, m)
	}
}
