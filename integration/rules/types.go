package rules

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
)

// TypeCheck resolves the types of a package's non-test files. Imports come from
// the export data that `go list -export` builds, so the go command must be there.
func TypeCheck(t *Tree, p *Package) (*types.Info, error) {
	var files []*ast.File
	need := map[string]bool{}
	for _, f := range p.Files {
		if f.Test {
			continue
		}
		files = append(files, f.Syntax)
		for _, imported := range imports(f) {
			need[imported] = true
		}
	}
	exports, err := exportData(t.Root, need)
	if err != nil {
		return nil, err
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(t.Set, "gc", exports)}
	_, err = conf.Check(p.ImportPath(), t.Set, files, info)
	return info, err
}

// exportData maps import paths to compiled export data, dependencies included.
func exportData(dir string, need map[string]bool) (importer.Lookup, error) {
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}"}
	for imported := range need {
		args = append(args, imported)
	}
	files := map[string]string{}
	if len(need) > 0 {
		out, err := Go(dir, args...)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(out) {
			imported, file, _ := strings.Cut(strings.TrimSpace(line), "=")
			files[imported] = file
		}
	}
	return func(imported string) (io.ReadCloser, error) {
		if files[imported] == "" {
			return nil, errors.New("no export data of " + imported)
		}
		return os.Open(files[imported])
	}, nil
}

// Go runs the go command in dir and returns what it printed.
func Go(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
