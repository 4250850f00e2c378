package meta

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestLowWater(t *testing.T) {
	at := func(c uint64) protocol.Version { return protocol.Version{Generation: 1, Counter: c} }
	g := &Group{}
	g.Saw(at(5))
	first := g.Uploading()
	second := g.Uploading()
	g.Saw(at(9))
	third := g.Uploading()
	if mark(g) != at(5) {
		t.Errorf("the mark is %s with uploads from 1.5 on", mark(g))
	}
	first()
	if mark(g) != at(5) {
		t.Errorf("the mark is %s while one of two goes on", mark(g))
	}
	second()
	g.Saw(at(12))
	if mark(g) != at(9) {
		t.Errorf("the mark is %s", mark(g))
	}
	third()
	if mark(g) != at(12) || len(g.uploads) != 0 {
		t.Errorf("the mark is %s with no upload", mark(g))
	}
}

func mark(g *Group) protocol.Version {
	low, _ := g.lowWater()
	return low
}
