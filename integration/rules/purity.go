package rules

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// PureRooms are the folders under the Purity rule; rooms below them are not.
var PureRooms = []string{"protocol", "metaserver/state", "metaserver/state/placement", "metaserver/schedule"}

// pureStd are the packages of the standard library that a pure room may use:
// they compute. Everything not listed is refused.
var pureStd = map[string]bool{
	"bytes": true, "cmp": true, "encoding": true, "encoding/base64": true, "encoding/binary": true,
	"encoding/hex": true, "encoding/json": true, "errors": true, "fmt": true, "hash": true,
	"hash/crc32": true, "io": true, "iter": true, "maps": true, "math": true, "math/bits": true,
	"slices": true, "sort": true, "strconv": true, "strings": true, "unicode": true, "unicode/utf8": true,
	// For Duration only; pureCalls refuses the clock.
	"time": true,
	// Pure functions of their input, used for digests.
	"crypto/sha256": true,
}

// pureForeign are the foreign libraries that a pure room may use.
var pureForeign = []string{"google.golang.org/protobuf/proto", "google.golang.org/protobuf/encoding", "github.com/zeebo/blake3"}

// pureCalls are names that read the world or give a map's order away.
var pureCalls = map[string]string{
	"time.Now": "reads the clock", "time.Since": "reads the clock", "time.Until": "reads the clock",
	"time.Sleep": "waits", "time.After": "waits", "time.AfterFunc": "waits", "time.Tick": "waits",
	"time.NewTimer": "waits", "time.NewTicker": "waits",
	"maps.All": "walks a map", "maps.Keys": "walks a map", "maps.Values": "walks a map", "maps.DeleteFunc": "walks a map",
	"fmt.Print": "writes", "fmt.Println": "writes", "fmt.Printf": "writes",
}

// CheckPurity finds impure code in one package: what it imports, what it calls,
// and what needs types to see (a range over a map, a changed global).
func CheckPurity(t *Tree, p *Package, info *types.Info) []Finding {
	var out []Finding
	p.own(func(f *File) {
		for _, imported := range imports(f) {
			if !pureImport(imported) {
				out = append(out, Finding{f.Path, "a pure room must not import " + imported})
			}
		}
		v := purity{t: t, f: f, info: info}
		ast.Inspect(f.Syntax, v.visit)
		out = append(out, v.found...)
	})
	return out
}

func pureImport(imported string) bool {
	if ours, ok := strings.CutPrefix(imported, Module+"/"); ok {
		return inAny(ours, []string{"protocol/pb", "metaserver/state"}) || ours == "protocol"
	}
	return pureStd[imported] || inAny(imported, pureForeign)
}

type purity struct {
	t     *Tree
	f     *File
	info  *types.Info
	found []Finding
}

func (v *purity) report(p token.Pos, text string) {
	v.found = append(v.found, Finding{v.t.pos(p), "a pure room " + text})
}

func (v *purity) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		v.report(n.Pos(), "starts no goroutine")
	case *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
		v.report(n.Pos(), "has no channel")
	case *ast.RangeStmt:
		if isMap(v.info, n.X) {
			v.report(n.Pos(), "never walks a Go map: its order is chance")
		}
	case *ast.SelectorExpr:
		pkg, name := selector(v.f, n)
		if why, bad := pureCalls[pkg+"."+name]; bad {
			v.report(n.Pos(), "must not use "+pkg+"."+name+", which "+why)
		}
	case *ast.AssignStmt:
		for _, left := range n.Lhs {
			v.global(left)
		}
	case *ast.IncDecStmt:
		v.global(n.X)
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			v.global(n.X)
		}
	}
	return true
}

// global reports e if it is, or lies inside, a variable of package scope that
// is being changed or whose address is taken.
func (v *purity) global(e ast.Expr) {
	for {
		switch x := e.(type) {
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			obj, ok := v.info.Uses[x].(*types.Var)
			if ok && obj.Pkg() != nil && obj.Parent() == obj.Pkg().Scope() {
				v.report(x.Pos(), "changes no global: "+x.Name)
			}
			return
		default:
			return
		}
	}
}

func isMap(info *types.Info, e ast.Expr) bool {
	typ := info.TypeOf(e)
	if typ == nil {
		return false
	}
	_, is := typ.Underlying().(*types.Map)
	return is
}
