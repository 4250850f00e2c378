package rules

import (
	"go/ast"
	"strings"
)

// exitMark stands on the line above the one call outside package main that may
// end the process, with its reason.
const exitMark = "//ashlar:exit "

// exitCalls end the process.
var exitCalls = map[string]bool{
	"os.Exit": true, "syscall.Exit": true,
	"log.Fatal": true, "log.Fatalf": true, "log.Fatalln": true,
	"log.Panic": true, "log.Panicf": true, "log.Panicln": true,
}

// CheckExits finds calls outside package main that end the process. One call in
// the tree may carry the annotation, which names its reason.
func CheckExits(t *Tree) []Finding {
	var out []Finding
	marked := 0
	for _, p := range t.Packages {
		if p.Name() == "main" {
			continue
		}
		for _, f := range p.Files {
			if f.Generated {
				continue
			}
			marks := markedLines(t, f)
			ast.Inspect(f.Syntax, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				pkg, name := selector(f, call.Fun)
				if !exitCalls[pkg+"."+name] || testMain(f, pkg, name) {
					return true
				}
				if marks[t.Set.Position(call.Pos()).Line-1] && marked == 0 {
					marked++
					return true
				}
				out = append(out, Finding{t.pos(call.Pos()), pkg + "." + name + " outside package main: return an error"})
				return true
			})
		}
	}
	return out
}

// testMain allows the os.Exit that a TestMain needs.
func testMain(f *File, pkg, name string) bool {
	if !f.Test || pkg != "os" || name != "Exit" {
		return false
	}
	for _, d := range f.Syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "TestMain" {
			return true
		}
	}
	return false
}

func markedLines(t *Tree, f *File) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.Syntax.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, exitMark) {
				lines[t.Set.Position(c.Pos()).Line] = true
			}
		}
	}
	return lines
}
