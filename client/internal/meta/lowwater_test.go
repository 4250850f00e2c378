package meta

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

func TestLowWater(t *testing.T) {
	at := func(c uint64) protocol.Version { return protocol.Version{Generation: 1, Counter: c} }
	_, g := newScript(t)
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

// TestNoneUploading: a request tells whether any upload goes on after it. A commit
// is the end of one.
func TestNoneUploading(t *testing.T) {
	s, g := newScript(t)
	s.always = func(string, rpc.Message) error { return nil }
	ask := func(path string) bool {
		build := func(c *pb.Call) rpc.Message { return &pb.DeleteRequest{Call: c} }
		if err := g.Mutate(t.Context(), nil, path, build, &pb.DeleteAnswer{}); err != nil {
			t.Fatal(err)
		}
		return s.calls[len(s.calls)-1].NoneUploading
	}
	if !ask(protocol.PathDelete) {
		t.Error("nothing is in flight beside a delete")
	}
	first := g.Uploading()
	if ask(protocol.PathDelete) || !ask(protocol.PathCommit) {
		t.Error("an upload is in flight until its commit")
	}
	second := g.Uploading()
	if ask(protocol.PathCommit) {
		t.Error("another upload is in flight")
	}
	first()
	second()
	if !ask(protocol.PathDelete) {
		t.Error("both have ended")
	}
}
