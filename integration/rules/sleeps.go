package rules

import (
	"go/ast"
	"strings"
)

// pollers are how helpers that wait for a state are called; inside their loops
// a sleep is the pause between two looks and decides nothing.
var pollers = []string{"eventually", "waitfor", "poll", "until"}

// CheckSleeps finds time.Sleep in tests, except inside a loop of a polling
// helper (eventually..., waitFor..., poll..., until...).
func CheckSleeps(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if !f.Test {
				continue
			}
			for _, d := range f.Syntax.Decls {
				out = append(out, sleeps(t, f, d)...)
			}
		}
	}
	return out
}

func sleeps(t *Tree, f *File, d ast.Decl) []Finding {
	var out []Finding
	polls := false
	if fn, ok := d.(*ast.FuncDecl); ok {
		polls = isPoller(fn.Name.Name)
	}
	loops := map[ast.Node]bool{}
	ast.Inspect(d, func(n ast.Node) bool {
		if loop, ok := n.(*ast.ForStmt); ok && polls {
			ast.Inspect(loop, func(m ast.Node) bool { loops[m] = true; return true })
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if pkg, name := selector(f, call.Fun); pkg == "time" && name == "Sleep" && !loops[call] {
			out = append(out, Finding{t.pos(call.Pos()), "a test waits for a state, never for a while; poll in a helper called eventually or waitFor"})
		}
		return true
	})
	return out
}

func isPoller(name string) bool {
	for _, p := range pollers {
		if strings.HasPrefix(strings.ToLower(name), p) {
			return true
		}
	}
	return false
}
