package history_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-7d21a5b5/ashlar/integration/history"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// script builds a history from lines of the form
//
//	client call-return verb key [if-absent|if-version=V] [tag=T] [level] -> outcome [T@V ...]
//
// A return of * is open. Contents follow from their tags.
func script(t *testing.T, text string) []history.Operation {
	t.Helper()
	var ops []history.Operation
	for line := range strings.Lines(strings.TrimSpace(text)) {
		before, after, ok := strings.Cut(line, "->")
		if !ok {
			t.Fatalf("no arrow in %q", line)
		}
		f := strings.Fields(before)
		o := history.Operation{ID: len(ops) + 1, Verb: history.Verb(f[2]), Key: f[3], Level: history.Linearizable}
		call, back, _ := strings.Cut(f[1], "-")
		scan(t, f[0], &o.Client)
		scan(t, call, &o.Call)
		if o.Return = history.Open; back != "*" {
			scan(t, back, &o.Return)
		}
		for _, w := range f[4:] {
			switch name, value, _ := strings.Cut(w, "="); name {
			case "if-version":
				o.Condition = history.IfVersion
				scan(t, value, &o.If.Counter)
				o.If.Generation = 1
			case "if-absent":
				o.Condition = history.IfAbsent
			case "tag":
				o.Tag = value
				o.Size, o.Digest = content(value)
			default:
				o.Level = history.Level(w)
			}
		}
		f = strings.Fields(after)
		o.Outcome = history.Outcome(f[0])
		for _, w := range f[1:] {
			o.Listed = append(o.Listed, sighting(t, w))
		}
		if o.Verb != history.List && len(o.Listed) > 0 {
			o.Seen, o.Listed = &o.Listed[0], nil
		}
		ops = append(ops, o)
	}
	return ops
}

func scan(t *testing.T, text string, into any) {
	t.Helper()
	if _, err := fmt.Sscan(text, into); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

func content(tag string) (int64, protocol.Hash) {
	return int64(len(tag)), protocol.HashOf([]byte(tag))
}

// sighting reads [key=]tag@version.
func sighting(t *testing.T, text string) (s history.Seen) {
	t.Helper()
	if key, rest, ok := strings.Cut(text, "="); ok {
		s.Key, text = key, rest
	}
	tag, version, _ := strings.Cut(text, "@")
	s.Tag = tag
	s.Size, s.Digest = content(tag)
	scan(t, version, &s.Version.Counter)
	s.Version.Generation = 1
	return s
}

// handMade are histories of a few lines; broken is a piece of the contradiction,
// empty if there is none.
var handMade = []struct{ name, text, broken string }{
	{"a put and a get", `
		1 0-1 put a/k tag=x -> done x@5
		2 2-3 get a/k -> done x@5`, ""},
	{"a get that overlaps a put may see either", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-9 put a/k tag=y -> done y@6
		2 3-4 get a/k -> done y@6
		3 3-8 get a/k -> done x@5`, ""},
	{"new, then old", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-9 put a/k tag=y -> done y@6
		2 3-4 get a/k -> done y@6
		3 5-8 get a/k -> done x@5`, "a/k: "},
	{"a stale get", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-3 put a/k tag=y -> done y@6
		2 4-5 get a/k -> done x@5`, "a/k: "},
	{"the same get at the stale level", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-3 put a/k tag=y -> done y@6
		2 4-5 get a/k stale -> done x@5`, ""},
	{"a put of unknown outcome takes effect late", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-* put a/k tag=y -> unknown
		2 4-5 get a/k -> done x@5
		2 6-7 get a/k -> done y@6`, ""},
	{"or never", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-* put a/k tag=y -> unknown
		2 6-7 get a/k -> done x@5`, ""},
	{"but not twice", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-* put a/k tag=y -> unknown
		2 4-5 get a/k -> done y@6
		2 6-7 put a/k tag=z -> done z@7
		2 8-9 get a/k -> done y@6`, "a/k: "},
	{"nor at two versions", `
		1 2-* put a/k tag=y -> unknown
		2 4-5 get a/k -> done y@6
		2 6-7 get a/k -> done y@7`, "y is at version 1.6 and at 1.7"},
	{"a put that certainly failed is read", `
		1 2-3 put a/k tag=y -> nothing
		2 4-5 get a/k -> done y@6`, `was told "nothing"`},
	{"an unknown put fulfils another's precondition", `
		1 0-* put a/k tag=x -> unknown
		2 1-2 put a/k tag=y if-absent -> refused
		2 3-4 get a/k -> done x@5`, ""},
	{"a refusal that nothing explains", `
		1 1-2 put a/k tag=y if-absent -> refused`, "a/k: "},
	{"compare and set", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-5 put a/k tag=y if-version=5 -> done y@6
		2 2-5 put a/k tag=z if-version=5 -> refused`, ""},
	{"both win", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-5 put a/k tag=y if-version=5 -> done y@6
		2 2-5 put a/k tag=z if-version=5 -> done z@7`, "a/k: "},
	{"a delete of unknown outcome", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-* delete a/k -> unknown
		2 3-4 get a/k -> done x@5
		2 5-6 stat a/k -> absent`, ""},
	{"absent and there again", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-* delete a/k -> unknown
		2 3-4 get a/k -> absent
		2 5-6 stat a/k -> done x@5`, "a/k: "},
	{"a conditional delete", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-3 delete a/k if-version=4 -> refused
		1 4-5 delete a/k if-version=5 -> done
		1 6-7 delete a/k if-version=5 -> absent`, ""},
	{"a listing of one moment", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-3 put a/l tag=y -> done y@6
		2 0-9 list a/ -> done a/k=x@5
		3 4-9 list a/ -> done a/k=x@5 a/l=y@6`, ""},
	{"a listing of two moments", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-3 put a/l tag=y -> done y@6
		1 4-5 delete a/k -> done
		2 0-9 list a/ -> done a/l=y@6
		3 2-9 list a/ -> done a/k=x@5
		4 6-9 list a/ -> done a/k=x@5 a/l=y@6`, "a/: "},
	{"versions against time, over two keys", `
		1 0-1 put a/k tag=x -> done x@6
		1 2-3 put b/k tag=y -> done y@5`, "after a higher version"},
	{"a session that goes on", `
		1 0-1 put a/k tag=x -> done x@5
		2 2-3 put a/k tag=y -> done y@6
		1 4-5 get a/k session -> done x@5
		1 6-7 get a/k session -> done y@6`, ""},
	{"a session that goes back", `
		1 0-1 put a/k tag=x -> done x@5
		2 2-3 put a/k tag=y -> done y@6
		1 4-5 get a/k session -> done y@6
		1 6-7 get a/k session -> done x@5`, "went back"},
	{"a session that forgets its own delete", `
		1 0-1 put a/k tag=x -> done x@5
		1 2-3 delete a/k -> done
		1 4-5 get a/k session -> done x@5`, "went back"},
}

func TestHandMadeHistories(t *testing.T) {
	for _, c := range handMade {
		t.Run(c.name, func(t *testing.T) {
			v := history.Judge(script(t, c.text), 0, "")
			found := strings.Join(append(v.Broken, v.OutOfTime...), "\n")
			if c.broken == "" && found != "" || !strings.Contains(found, c.broken) {
				t.Errorf("found %q, want %q", found, c.broken)
			}
			if v.Clean() != (c.broken == "") || (v.Err() == nil) != v.Clean() {
				t.Errorf("clean: %v, error: %v", v.Clean(), v.Err())
			}
		})
	}
}

// A search that ends without a result is not a clean one.
func TestOutOfTimeIsNotClean(t *testing.T) {
	// Writes of unknown outcome that nobody reads, and a contradiction at the end: the
	// search has to try every subset of them.
	text := "0 0-1 put a/k tag=first -> done first@1\n"
	for i := range 40 {
		text += fmt.Sprintf("%d %d-* put a/k tag=u%d -> unknown\n%d %d-* delete a/k -> unknown\n", i, i+2, i, i+50, i+2)
	}
	text += "99 100-101 put a/k tag=x if-absent -> refused\n99 102-103 get a/k -> absent\n99 104-105 get a/k -> done first@1\n"
	v := history.Judge(script(t, text), 20*time.Millisecond, "")
	if v.Clean() || len(v.OutOfTime) != 1 || v.Err() == nil {
		t.Errorf("judged as %+v", v)
	}
}

func TestSaveAndLoad(t *testing.T) {
	ops := good(7, 3, 40)
	path := filepath.Join(t.TempDir(), "history.jsonl")
	if err := history.Save(path, ops); err != nil {
		t.Fatal(err)
	}
	again, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ops, again); diff != "" {
		t.Error(diff)
	}
}

func TestRecorder(t *testing.T) {
	r := history.NewRecorder()
	first := r.Begin(history.Operation{Verb: history.Put, Key: "a/k", Tag: "x"})
	second := r.Begin(history.Operation{Verb: history.Get, Key: "a/k"})
	second.Outcome = history.Absent
	r.End(second)
	first.Outcome = history.Unknown
	r.End(first)
	ops := r.Operations()
	if len(ops) != 2 || ops[0].ID != 1 || ops[1].ID != 2 || ops[1].Return < ops[1].Call {
		t.Errorf("recorded as %+v", ops)
	}
	if err := history.Judge(ops, 0, "").Err(); err != nil {
		t.Error(err)
	}
}
