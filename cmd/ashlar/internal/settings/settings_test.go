package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

type world struct {
	root, sub *cobra.Command
	endpoints []string
	dir       string
	quorum    uint32
}

func newWorld() *world {
	w := &world{root: &cobra.Command{Use: "ashlar"}}
	w.root.PersistentFlags().StringSliceVar(&w.endpoints, "endpoints", []string{"default:1"}, "")
	w.root.PersistentFlags().String("config", "", "")
	w.sub = &cobra.Command{Use: "metaserver", Run: func(*cobra.Command, []string) {}}
	w.sub.Flags().StringVar(&w.dir, "dir", "here", "")
	w.sub.Flags().Uint32Var(&w.quorum, "quorum", 2, "")
	w.root.AddCommand(w.sub)
	return w
}

func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	path := file(t, "endpoints: [file:1, file:2]\nmetaserver:\n  dir: from-file\n  quorum: 3\n")
	w := newWorld()
	if err := w.sub.ParseFlags([]string{"--quorum", "4"}); err != nil {
		t.Fatal(err)
	}
	err := Apply(w.sub, Places{File: path, Env: env("ASHLAR_METASERVER_DIR", "from-env", "ASHLAR_METASERVER_QUORUM", "9")})
	if err != nil {
		t.Fatal(err)
	}
	if w.quorum != 4 || w.dir != "from-env" || !cmp.Equal(w.endpoints, []string{"file:1", "file:2"}) {
		t.Fatalf("flag > environment > file does not hold: %+v", w)
	}
}

func TestResolvedNamesSources(t *testing.T) {
	path := file(t, "metaserver:\n  dir: d\n")
	w := newWorld()
	got, err := Resolved(w.sub, Places{File: path, Env: env("ASHLAR_ENDPOINTS", "a:1,b:2")})
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{"endpoints", "[a:1,b:2]", "environment ASHLAR_ENDPOINTS", "ASHLAR_ENDPOINTS"},
		{"metaserver.dir", "d", "file " + path + ":2", "ASHLAR_METASERVER_DIR"},
		{"metaserver.quorum", "2", "default", "ASHLAR_METASERVER_QUORUM"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"metaserver:\n  dirr: x\n":           `config.yaml:2: unknown key "metaserver.dirr"`,
		"endpoints: [a]\nendpoints: [b]\n":   "line 2: key \"endpoints\" stands on line 1",
		"metaserver:\n  quorum: many\n":      "--quorum",
		"metaserver:\n  dir: [a, b]\n":       "want one value",
		"metaserver:\n  dir:\n":              "has no value",
		"- a\n":                              "want KEY: VALUE",
		"a: &x 1\nb: *x\n":                   "want a value",
		"---\na: 1\n---\nb: 2\n":             "more than one document",
		"endpoints: [[a]]\n":                 "a list holds plain values",
		"a: {b: {c: {d: {e: {f: 1}}}}}\n":    "want KEY: VALUE",
		"\"\": 1\n":                          "a key is a plain word",
		"x: \"" + strings.Repeat("a", 1<<20): "larger than",
	} {
		err := Apply(newWorld().sub, Places{File: file(t, text), Env: env()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %s", text, err, want)
		}
		if !errors.Is(err, &protocol.Error{Kind: protocol.InvalidArgument}) {
			t.Errorf("%.40q: kind is %s", text, protocol.KindOf(err))
		}
	}
}

func TestEmptyFilesAreFine(t *testing.T) {
	for _, text := range []string{"", "# only words\n", "---\n", "{}\n"} {
		if err := Apply(newWorld().sub, Places{File: file(t, text), Env: env()}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a: 1\nb: [x, y]\nc:\n  d: e\n", "a: &x [*x]", "? {a: b}\n: c", "a: !!binary x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := Parse(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, e := range entries {
			if e.Key == "" || e.Line < 1 || seen[e.Key] {
				t.Fatalf("bad entry %+v", e)
			}
			seen[e.Key] = true
		}
	})
}
