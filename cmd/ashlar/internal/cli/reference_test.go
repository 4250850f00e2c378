package cli

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/settings"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const docs = "../../../../docs/reference"

func testRoot() *cobra.Command {
	return Root(app.New(app.Config{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Env: func(string) (string, bool) { return "", false }}))
}

// fresh fails unless the page holds want; UPDATE=1 writes it.
func fresh(t *testing.T, page, want string) {
	t.Helper()
	path := filepath.Join(docs, page)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/reference/%s is stale (%v): run UPDATE=1 go test ./cmd/ashlar/internal/cli", page, err)
	}
}

func TestCommandReferenceIsFresh(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nMade from the commands themselves; `ashlar COMMAND --help` prints the same.\n\n")
	root := testRoot()
	b.WriteString("Flags of every command:\n\n```\n" + root.PersistentFlags().FlagUsages() + "```\n")
	describe(&b, root)
	fresh(t, "cli.md", b.String())
}

func describe(b *strings.Builder, c *cobra.Command) {
	if c.HasParent() {
		fmt.Fprintf(b, "\n## %s\n\n", c.CommandPath())
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(b, "%s\n\n```\n%s\n```\n", text, strings.TrimSuffix(c.UseLine(), " [flags]"))
		if c.Example != "" {
			fmt.Fprintf(b, "\nFor example:\n\n```\n%s\n```\n", c.Example)
		}
		if flags := c.NonInheritedFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(b, "\n```\n%s```\n", flags.FlagUsages())
		}
	}
	for _, sub := range c.Commands() {
		if sub.Name() != "help" && sub.Name() != "completion" {
			describe(b, sub)
		}
	}
}

func TestSettingsReferenceIsFresh(t *testing.T) {
	all, err := settings.Resolved(testRoot(), settings.Places{Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Settings\n\nMade from the flags. Every flag can also be set in the environment or in the configuration\n" +
		"file: flag > environment > file > default. [How to configure](../how-to/configure.md) explains it.\n\n" +
		"| key in the file | environment | default |\n| --- | --- | --- |\n")
	for _, s := range all {
		fmt.Fprintf(&b, "| `%s` | `%s` | `%s` |\n", s.Key, s.Env, s.Value)
	}
	fresh(t, "settings.md", b.String())
}

func TestExitCodeReferenceIsFresh(t *testing.T) {
	kinds := map[int][]string{}
	for k := protocol.Internal; k.String() != fmt.Sprintf("kind-%d", k); k++ {
		code := app.ExitCode(&protocol.Error{Kind: k})
		kinds[code] = append(kinds[code], "`"+k.String()+"`")
	}
	var b strings.Builder
	b.WriteString("# Exit codes\n\nMade from the code. A code keeps its meaning for ever. The kinds are those of the `kind` field of a\n" +
		"problem+json answer and of the error that `-o json` prints on standard error.\n\n| code | meaning | kinds |\n| --- | --- | --- |\n")
	for _, row := range []struct {
		code int
		text string
	}{
		{app.ExitOK, "done"},
		{app.ExitFailed, "failed in a way that has no code of its own"},
		{app.ExitUsage, "the command line, a setting or a name is wrong; it can never work as written"},
		{app.ExitNotFound, "no such object, block or file"},
		{app.ExitPrecondition, "`--if-absent` or `--if-version` did not hold, the layout has moved on, or a node may not stop, be drained or be removed now"},
		{app.ExitUnavailable, "not now; nothing was done; try again later"},
		{app.ExitUnknown, "it may or may not have taken effect; look before trying again"},
		{app.ExitData, "bytes are missing, or not what they should be"},
		{app.ExitLimit, "over a named limit, or no room"},
		{app.ExitRefused, "another cluster, or an identity without the right"},
		{app.ExitPartial, "some of many were done; each failure was printed"},
		{app.ExitCanceled, "stopped by a signal"},
	} {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", row.code, row.text, strings.Join(kinds[row.code], ", "))
	}
	fresh(t, "exit-codes.md", b.String())
}

func TestLimitsReferenceIsFresh(t *testing.T) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "../../../../protocol/limits.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := new(types.Config).Check("limits", set, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Limits\n\nMade from protocol/limits.go. At a limit there is a typed error, early: `too-large`, `limit-exceeded`, `busy` or\n" +
		"`invalid-argument`. Sizes are bytes.\n\n| name | value | meaning |\n| --- | --- | --- |\n")
	for _, d := range file.Decls {
		words := ""
		for _, spec := range d.(*ast.GenDecl).Specs {
			v := spec.(*ast.ValueSpec)
			if v.Doc != nil {
				words = strings.Join(strings.Fields(v.Doc.Text()), " ")
			}
			value := pkg.Scope().Lookup(v.Names[0].Name).(*types.Const).Val()
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Names[0].Name, value, words)
		}
	}
	fresh(t, "limits.md", b.String())
}

// Every flag has words, and every command an argument check and a summary.
func TestEveryCommandIsDescribed(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: a summary is words without a full stop", c.CommandPath())
		}
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no description", c.CommandPath(), f.Name)
			}
		})
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(testRoot())
}
