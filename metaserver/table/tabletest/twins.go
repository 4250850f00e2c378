package tabletest

import (
	"bytes"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
)

// Twins takes two empty tables through the same random steps and compares every
// answer, those of old views included.
func Twins(t *rapid.T, a, b state.Table) {
	w := &twins{a: a, b: b}
	defer w.close()
	t.Repeat(map[string]func(*rapid.T){
		"write": w.write,
		"get":   w.get,
		"scan":  w.scan,
		"view":  w.view,
		"old":   w.old,
	})
}

// twins is two tables and the moments taken of both at once.
type twins struct {
	a, b  state.Table
	views [][2]state.View
}

// keys are few and short, so that they meet.
var keys = rapid.SliceOfN(rapid.ByteRange('a', 'd'), 1, 3)

func (w *twins) write(t *rapid.T) {
	chosen := rapid.SliceOfNDistinct(keys, 0, 8, func(k []byte) string { return string(k) }).Draw(t, "keys")
	slices.SortFunc(chosen, bytes.Compare)
	var batch []state.Mutation
	for i, k := range chosen {
		m := state.Mutation{Key: k, Delete: rapid.Bool().Draw(t, fmt.Sprintf("delete %d", i))}
		if !m.Delete {
			m.Value = rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, fmt.Sprintf("value %d", i))
		}
		batch = append(batch, m)
	}
	if errA, errB := w.a.Write(batch), w.b.Write(slices.Clone(batch)); errA != nil || errB != nil {
		t.Fatalf("%v, %v", errA, errB)
	}
}

func (w *twins) get(t *rapid.T) { getBoth(t, w.a, w.b) }

func (w *twins) scan(t *rapid.T) { scanBoth(t, w.a, w.b) }

func (w *twins) view(t *rapid.T) {
	w.views = append(w.views, [2]state.View{w.a.View(), w.b.View()})
}

func (w *twins) old(t *rapid.T) {
	if len(w.views) == 0 {
		t.Skip("no views")
	}
	i := rapid.IntRange(0, len(w.views)-1).Draw(t, "view")
	getBoth(t, w.views[i][0], w.views[i][1])
	scanBoth(t, w.views[i][0], w.views[i][1])
}

func (w *twins) close() {
	for _, v := range w.views {
		_, _ = v[0].Close(), v[1].Close()
	}
}

func getBoth(t *rapid.T, a, b state.Reader) {
	k := keys.Draw(t, "key")
	va, okA, errA := a.Get(k)
	vb, okB, errB := b.Get(k)
	if !bytes.Equal(va, vb) || okA != okB || errA != nil || errB != nil {
		t.Fatalf("%s: %x %v %v and %x %v %v", k, va, okA, errA, vb, okB, errB)
	}
}

func scanBoth(t *rapid.T, a, b state.Reader) {
	bound := rapid.SliceOfN(rapid.ByteRange('a', 'e'), 0, 3)
	lower, upper := bound.Draw(t, "lower"), bound.Draw(t, "upper")
	limit := rapid.IntRange(1, 20).Draw(t, "limit")
	if ra, rb := list(t, a, lower, upper, limit), list(t, b, lower, upper, limit); !slices.Equal(ra, rb) {
		t.Fatalf("[%s, %s): %q and %q", lower, upper, ra, rb)
	}
}

func list(t *rapid.T, r state.Reader, lower, upper []byte, limit int) (out []string) {
	err := r.Scan(lower, upper, func(k, v []byte) bool {
		out = append(out, fmt.Sprintf("%s=%x", k, v))
		return len(out) < limit
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
