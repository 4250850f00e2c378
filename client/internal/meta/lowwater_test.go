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
	if g.lowWater() != at(5) {
		t.Errorf("the mark is %s with uploads from 1.5 on", g.lowWater())
	}
	first()
	if g.lowWater() != at(5) {
		t.Errorf("the mark is %s while one of two goes on", g.lowWater())
	}
	second()
	g.Saw(at(12))
	if g.lowWater() != at(9) {
		t.Errorf("the mark is %s", g.lowWater())
	}
	third()
	if g.lowWater() != at(12) || len(g.uploads) != 0 {
		t.Errorf("the mark is %s with no upload", g.lowWater())
	}
}
