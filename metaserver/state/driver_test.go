package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A scenario is a text file under testdata: steps of a command line, a line of
// four dashes, and the answer, separated by blank lines; '#' begins a comment.
// Every file is run by TestScenarios, with every invariant checked after every
// step. With ASHLAR_REWRITE=1 the answers are written instead of compared.
//
//	commit a blocks=A,B claims=A:1,2;B:1,2
//	----
//	ok 1.5
//
// The verbs are those of scenario.verbs.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScenario(t, file) })
	}
}

func runScenario(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, differs := play(&scenario{m: newMachine(t)}, string(text))
	if os.Getenv("ASHLAR_REWRITE") != "" {
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if differs != nil {
		t.Fatalf("%s:%d:\n%s\ngot:\n%s\nwant:\n%s", file, differs.line, differs.text, differs.got, differs.want)
	}
}

// played is a step whose answer is another than the text's.
type played struct {
	paragraph
	got, want string
}

// play runs the steps of a text. It returns the text with the answers that came,
// and the first step whose answer differs.
func play(s *scenario, text string) (out string, differs *played) {
	var b strings.Builder
	for _, p := range paragraphs(text) {
		command, want, isStep := strings.Cut(p.text, "----\n")
		if !isStep {
			b.WriteString(p.text + "\n")
			continue
		}
		var got strings.Builder
		for line := range strings.Lines(command) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				got.WriteString(s.run(line))
			}
		}
		if got.String() != want && differs == nil {
			differs = &played{paragraph{command, p.line}, got.String(), want}
		}
		b.WriteString(command + "----\n" + got.String() + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n"), differs
}

type paragraph struct {
	text string
	line int
}

// paragraphs splits at blank lines; each keeps its last newline.
func paragraphs(text string) []paragraph {
	var out []paragraph
	line, begin := 1, true
	for l := range strings.Lines(text) {
		switch {
		case strings.TrimSpace(l) == "":
			begin = true
		case begin:
			out = append(out, paragraph{l, line})
			begin = false
		default:
			out[len(out)-1].text += l
		}
		line++
	}
	return out
}

// arguments are the words of a line: a verb, plain words and key=value pairs.
type arguments struct {
	tb    testing.TB
	words []string
	pairs [][2]string
	used  []string
}

func parseLine(tb testing.TB, line string) (verb string, a *arguments) {
	a = &arguments{tb: tb}
	for _, word := range strings.Fields(line) {
		if key, value, isPair := strings.Cut(word, "="); isPair {
			a.pairs = append(a.pairs, [2]string{key, value})
		} else {
			a.words = append(a.words, word)
		}
	}
	return a.words[0], &arguments{tb: tb, words: a.words[1:], pairs: a.pairs}
}

func (a *arguments) get(key string) (string, bool) {
	a.used = append(a.used, key)
	for _, p := range a.pairs {
		if p[0] == key {
			return p[1], true
		}
	}
	return "", false
}

func (a *arguments) text(key string) string {
	value, _ := a.get(key)
	return value
}

func (a *arguments) number(key string, otherwise uint64) uint64 {
	value, ok := a.get(key)
	if !ok {
		return otherwise
	}
	var n uint64
	if _, err := fmt.Sscanf(value, "%d", &n); err != nil {
		a.tb.Fatalf("%s=%s: %v", key, value, err)
	}
	return n
}

func (a *arguments) list(key string) []string {
	if value, ok := a.get(key); ok && value != "" {
		return strings.Split(value, ",")
	}
	return nil
}

// word returns plain word i.
func (a *arguments) word(i int) string {
	if i >= len(a.words) {
		a.tb.Fatalf("a word is missing after %v", a.words)
	}
	return a.words[i]
}

// allUsed fails the test if a key was given that the verb does not know.
func (a *arguments) allUsed() {
	for _, p := range a.pairs {
		known := false
		for _, u := range a.used {
			known = known || u == p[0]
		}
		if !known {
			a.tb.Fatalf("the verb knows no %s=", p[0])
		}
	}
}
