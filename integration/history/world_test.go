package history_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/integration/history"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// world is the obviously correct store: one map, one thing after the other.
type world struct {
	objects map[string]history.Seen
	version uint64
}

// effect does what an operation asks for and fills in what it is told.
func (w *world) effect(o *history.Operation) {
	old, exists := w.objects[o.Key]
	fails := o.Condition == history.IfAbsent && exists || o.Condition == history.IfVersion && (!exists || old.Version != o.If)
	o.Outcome = history.Done
	switch {
	case o.Verb == history.List:
		var keys []string
		for k := range w.objects {
			if history.PrefixOf(k) == o.Key {
				keys = append(keys, k)
			}
		}
		sort.Strings(keys)
		for _, k := range keys {
			s := w.objects[k]
			s.Key = k
			o.Listed = append(o.Listed, s)
		}
	case o.Verb != history.Put && !exists:
		o.Outcome = history.Absent
	case fails:
		o.Outcome = history.Refused
	case o.Verb == history.Put:
		w.version++
		s := history.Seen{Version: at(w.version), Tag: o.Tag, Size: o.Size, Digest: o.Digest}
		w.objects[o.Key], o.Seen = s, &s
	case o.Verb == history.Delete:
		w.version++
		delete(w.objects, o.Key)
	default:
		o.Seen = &old
	}
}

func at(counter uint64) protocol.Version { return protocol.Version{Generation: 1, Counter: counter} }

// act is an operation with the moment of its effect; 0 is never.
type act struct {
	op     history.Operation
	effect int64
}

// good makes a history that is linearizable: random operations of a few clients,
// each with an effect between call and return, or of unknown outcome with an
// effect later or never.
func good(seed uint64, clients, each int) []history.Operation {
	r := rand.New(rand.NewPCG(seed, 1))
	var acts []*act
	for c := range clients {
		var now int64
		for n := range each {
			a := &act{op: random(r, c, n)}
			now += 1 + r.Int64N(20)
			a.op.Call = now
			a.effect = now + 1 + r.Int64N(30)
			now = a.effect + 1 + r.Int64N(30)
			a.op.Return = now
			if !a.op.Reads() && r.IntN(12) == 0 {
				a.op.Outcome = history.Unknown
				a.effect = []int64{0, a.effect, a.effect + r.Int64N(500)}[r.IntN(3)]
			}
			acts = append(acts, a)
		}
	}
	sort.SliceStable(acts, func(i, j int) bool { return acts[i].effect < acts[j].effect })
	w := &world{objects: map[string]history.Seen{}}
	var ops []history.Operation
	// A precondition can only name a version that somebody was told.
	told := []protocol.Version{at(1 << 30)}
	for _, a := range acts {
		unknown := a.op.Outcome == history.Unknown
		if a.effect > 0 {
			if a.op.Condition == history.IfVersion {
				a.op.If = told[r.IntN(len(told))]
				if s := w.objects[a.op.Key]; slices.Contains(told, s.Version) && r.IntN(3) > 0 {
					a.op.If = s.Version
				}
			}
			w.effect(&a.op)
		}
		if unknown {
			a.op.Outcome, a.op.Seen = history.Unknown, nil
		}
		if a.op.Seen != nil {
			told = append(told, a.op.Seen.Version)
		}
		for _, s := range a.op.Listed {
			told = append(told, s.Version)
		}
		ops = append(ops, a.op)
	}
	sort.SliceStable(ops, func(i, j int) bool { return ops[i].Call < ops[j].Call })
	for i := range ops {
		ops[i].ID = i + 1
	}
	return ops
}

func random(r *rand.Rand, client, n int) history.Operation {
	o := history.Operation{Client: client, Key: fmt.Sprintf("p%d/k%d", r.IntN(2), r.IntN(3)), Level: history.Linearizable}
	conditions := []history.Condition{history.Always, history.Always, history.IfAbsent, history.IfVersion}
	switch r.IntN(8) {
	case 0, 1, 2:
		o.Verb, o.Condition, o.Tag = history.Put, conditions[r.IntN(4)], fmt.Sprintf("c%d-%d", client, n)
		o.Size, o.Digest = int64(len(o.Tag)), protocol.HashOf([]byte(o.Tag))
	case 3:
		o.Verb, o.Condition = history.Delete, conditions[r.IntN(2)*3]
	case 4:
		o.Verb = history.Stat
	case 5:
		o.Verb, o.Key = history.List, history.PrefixOf(o.Key)
	default:
		o.Verb = history.Get
	}
	return o
}

func TestGoodHistoriesAreClean(t *testing.T) {
	for seed := range uint64(40) {
		ops := good(seed, 4, 60)
		v := history.Judge(ops, 0, t.TempDir())
		if err := v.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if v.Judged < 200 || v.Keys != 6 || v.Prefixes != 2 || v.Ambiguous == 0 {
			t.Fatalf("seed %d: judged too little: %+v", seed, v)
		}
	}
}
