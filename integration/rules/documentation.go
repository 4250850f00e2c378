package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// minPackageComment is the least length of a package comment, in bytes: a
// sentence that restates the name does not reach it.
const minPackageComment = 120

// CheckPackageComments finds packages that do not open with prose. A package of
// tests alone needs it too.
func CheckPackageComments(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		longest, first := "", ""
		for _, f := range p.Files {
			if f.Syntax.Doc != nil && !f.Generated {
				if text := f.Syntax.Doc.Text(); len(text) > len(longest) {
					longest = text
				}
			}
			first = strings.TrimSuffix(f.Syntax.Name.Name, "_test")
		}
		if len(longest) < minPackageComment {
			out = append(out, Finding{p.Dir, fmt.Sprintf("package %s opens with no prose: tell the story and name the invariants (at least %d bytes)", first, minPackageComment)})
			continue
		}
		if !strings.HasPrefix(longest, "Package "+first) && !strings.HasPrefix(longest, "Command ") {
			out = append(out, Finding{p.Dir, "the package comment begins with \"Package " + first + "\" or \"Command ...\""})
		}
	}
	return out
}

// CheckExportedComments finds exported names without a doc comment, package
// main and tests aside. A group's comment speaks for its members, and a member's
// comment for those that follow it and that it names.
func CheckExportedComments(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		if p.Name() == "main" {
			continue
		}
		p.own(func(f *File) {
			for _, d := range f.Syntax.Decls {
				for _, id := range undocumented(d) {
					out = append(out, Finding{t.pos(id.Pos()), "exported " + id.Name + " has no doc comment"})
				}
			}
		})
	}
	return out
}

func undocumented(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Doc != nil || d.Tok == token.IMPORT {
			return nil
		}
		return undocumentedSpecs(d)
	}
	return nil
}

func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	var out []*ast.Ident
	words := ""
	for _, spec := range d.Specs {
		names, comment := described(spec)
		if comment != "" {
			words = comment
		}
		for _, name := range names {
			if comment == "" && name.IsExported() && !strings.Contains(words, name.Name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// described returns the names that spec declares and its comment.
func described(spec ast.Spec) (names []*ast.Ident, comment string) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return []*ast.Ident{spec.Name}, spec.Doc.Text() + spec.Comment.Text()
	case *ast.ValueSpec:
		return spec.Names, spec.Doc.Text() + spec.Comment.Text()
	}
	return nil, ""
}

// exportedReceiver reports whether d is a function, or a method of an exported
// type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
