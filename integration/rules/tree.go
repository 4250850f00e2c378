package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Module is the path of this repository's module.
const Module = "github.com/seed-7d21a5b5/ashlar"

// Finding is one place that breaks a rule.
type Finding struct {
	// Pos is FILE:LINE, relative to the tree's root, or a package's folder.
	Pos string
	// Text says which rule is broken and what to do instead.
	Text string
}

// String prints the finding as a compiler would.
func (f Finding) String() string { return f.Pos + ": " + f.Text }

// File is one parsed Go source.
type File struct {
	// Path is slash-separated and relative to the tree's root.
	Path string
	// Syntax includes comments.
	Syntax *ast.File
	// Lines is the number of lines.
	Lines int
	// Test and Generated tell *_test.go and *.pb.go files apart.
	Test, Generated bool
}

// Package is one folder of Go files, tests included.
type Package struct {
	// Dir is slash-separated and relative to the tree's root; "." is the root.
	Dir   string
	Files []*File
}

// Tree is every Go file below a root, testdata and hidden folders left out.
type Tree struct {
	// Root is where the tree was read from.
	Root     string
	Set      *token.FileSet
	Packages []*Package
}

// Load parses every Go file below root. A file that does not parse is an error.
func Load(root string) (*Tree, error) {
	t := &Tree{Root: root, Set: token.NewFileSet()}
	byDir := map[string]*Package{}
	err := walk(root, func(rel string) error {
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		f, err := t.parse(rel)
		if err != nil {
			return err
		}
		dir := path.Dir(rel)
		if byDir[dir] == nil {
			byDir[dir] = &Package{Dir: dir}
			t.Packages = append(t.Packages, byDir[dir])
		}
		byDir[dir].Files = append(byDir[dir].Files, f)
		return nil
	})
	sort.Slice(t.Packages, func(i, j int) bool { return t.Packages[i].Dir < t.Packages[j].Dir })
	return t, err
}

func (t *Tree) parse(rel string) (*File, error) {
	text, err := os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(rel)))
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(t.Set, rel, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return &File{
		Path:      rel,
		Syntax:    syntax,
		Lines:     strings.Count(string(text), "\n"),
		Test:      strings.HasSuffix(rel, "_test.go"),
		Generated: strings.HasSuffix(rel, ".pb.go"),
	}, nil
}

// walk visits every regular file below root, in order, by slash-separated
// relative path; testdata, hidden and bin folders are left out.
func walk(root string, visit func(rel string) error) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			name := d.Name()
			hidden := strings.HasPrefix(name, ".") && rel != "." && name != ".ci"
			if hidden || (rel != "." && (name == "testdata" || name == "bin")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return visit(rel)
	})
}

// Name returns the package's name as its non-test files declare it, or "".
func (p *Package) Name() string {
	for _, f := range p.Files {
		if !f.Test {
			return f.Syntax.Name.Name
		}
	}
	return ""
}

// ImportPath returns the package's import path in this module.
func (p *Package) ImportPath() string {
	if p.Dir == "." {
		return Module
	}
	return Module + "/" + p.Dir
}

// own calls fn for each file that people wrote and that is not a test.
func (p *Package) own(fn func(f *File)) {
	for _, f := range p.Files {
		if !f.Test && !f.Generated {
			fn(f)
		}
	}
}

// pos prints where a node stands.
func (t *Tree) pos(p token.Pos) string {
	at := t.Set.Position(p)
	return at.Filename + ":" + strconv.Itoa(at.Line)
}

// imports lists what f imports.
func imports(f *File) []string {
	var out []string
	for _, spec := range f.Syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// selector returns "pkg.Name" for a selector on a plain identifier, else "".
// It resolves the identifier through f's imports, so that a renamed import is
// seen through and a variable of the same name is not taken for a package.
func selector(f *File, e ast.Expr) (pkg, name string) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	for _, spec := range f.Syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		local := path.Base(p)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == id.Name {
			return p, sel.Sel.Name
		}
	}
	return "", ""
}

func within(dir, parent string) bool {
	return dir == parent || strings.HasPrefix(dir, parent+"/")
}
