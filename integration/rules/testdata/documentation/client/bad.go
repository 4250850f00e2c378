// Package client does things.
package client

func Exported() {}

type Type struct{}

func (Type) Method() {}

func (hidden) Method() {}

type hidden struct{}

const Constant = 1

// A group's comment is enough.
var (
	Variable = 2
)

// Documented is.
func Documented() {}

const (
	// First and Second are named together.
	First  = 1
	Second = 2
	Third  = 3
)
