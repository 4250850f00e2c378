package rules

import (
	"fmt"
	"go/ast"
)

// The size targets of style.md.
const (
	// MaxFileLines bounds a Go file, tests included.
	MaxFileLines = 400
	// MaxFunctionLines bounds a function, from its first line to its last; a
	// test's function may have MaxTestFunctionLines.
	MaxFunctionLines     = 60
	MaxTestFunctionLines = 100
	// MaxRoomFiles bounds a package's files, tests and generated ones aside.
	MaxRoomFiles = 14
	// maxCaseLines is the longest case of a switch that counts as a dispatch.
	maxCaseLines = 8
)

// manyFiles are the rooms that keep one rule a file and may be larger.
var manyFiles = []string{"metaserver/state"}

// CheckSizes finds files, functions and rooms that have outgrown their targets.
func CheckSizes(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		own := 0
		for _, f := range p.Files {
			if f.Generated {
				continue
			}
			if !f.Test {
				own++
			}
			if f.Lines > MaxFileLines {
				out = append(out, Finding{f.Path, fmt.Sprintf("%d lines; at most %d", f.Lines, MaxFileLines)})
			}
			out = append(out, longFunctions(t, f)...)
		}
		if own > MaxRoomFiles && !contains(manyFiles, p.Dir) {
			out = append(out, Finding{p.Dir, fmt.Sprintf("%d files in one room; at most %d", own, MaxRoomFiles)})
		}
	}
	return out
}

func longFunctions(t *Tree, f *File) []Finding {
	most := MaxFunctionLines
	if f.Test {
		most = MaxTestFunctionLines
	}
	var out []Finding
	for _, d := range f.Syntax.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		if n := t.lines(fn); n > most && !dispatches(t, fn) {
			out = append(out, Finding{t.pos(fn.Pos()), fmt.Sprintf("func %s has %d lines; at most %d", fn.Name.Name, n, most)})
		}
	}
	return out
}

func (t *Tree) lines(n ast.Node) int {
	return t.Set.Position(n.End()).Line - t.Set.Position(n.Pos()).Line + 1
}

// dispatches reports whether fn is little more than one switch whose cases are
// short: it may be as long as what it dispatches over.
func dispatches(t *Tree, fn *ast.FuncDecl) bool {
	if len(fn.Body.List) > 3 {
		return false
	}
	for _, s := range fn.Body.List {
		var body *ast.BlockStmt
		switch s := s.(type) {
		case *ast.SwitchStmt:
			body = s.Body
		case *ast.TypeSwitchStmt:
			body = s.Body
		default:
			continue
		}
		for _, c := range body.List {
			if t.lines(c) > maxCaseLines {
				return false
			}
		}
		return t.lines(fn)-t.lines(body) <= 10
	}
	return false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
