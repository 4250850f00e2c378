package history_test

import (
	"math/rand/v2"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/integration/history"
)

// A mutant changes what one or two operations of a good history were told, so
// that no store can have said it; false if the history has no place for it.
var mutants = map[string]func(r *rand.Rand, ops []history.Operation) bool{
	"two reads swap what they saw":             swapReads,
	"a lost write":                             lostWrite,
	"a read of a version that was replaced":    staleRead,
	"an acknowledged write never happened":     neverHappened,
	"a failed write is read":                   failedWriteRead,
	"a deleted object is listed":               resurrected,
	"a listing leaves an object out":           leftOut,
	"if-absent succeeds on an object":          doubleCreate,
	"two puts swap their versions":             swapVersions,
	"a refusal without a reason":               groundless,
	"a read gives the bytes of another object": wrongBytes,
}

func TestMutantsAreFound(t *testing.T) {
	const enough = 8
	for name, mutate := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tried := 0
			for seed := uint64(0); tried < enough && seed < 400; seed++ {
				ops := good(seed, 4, 60)
				if !mutate(rand.New(rand.NewPCG(seed, 2)), ops) {
					continue
				}
				tried++
				if v := history.Judge(ops, 0, ""); len(v.Broken) == 0 {
					t.Errorf("seed %d: not found, %d out of time", seed, len(v.OutOfTime))
				}
			}
			if tried < enough {
				t.Errorf("only %d histories could be mutated", tried)
			}
		})
	}
}

// pick finds operations i before j, by time, of which fit says yes.
func pick(r *rand.Rand, ops []history.Operation, fit func(a, b *history.Operation) bool) (a, b *history.Operation) {
	var pairs [][2]*history.Operation
	for i := range ops {
		for j := i + 1; j < len(ops); j++ {
			if ops[i].Return < ops[j].Call && fit(&ops[i], &ops[j]) {
				pairs = append(pairs, [2]*history.Operation{&ops[i], &ops[j]})
			}
		}
	}
	if len(pairs) == 0 {
		return nil, nil
	}
	p := pairs[r.IntN(len(pairs))]
	return p[0], p[1]
}

func got(o *history.Operation) bool {
	return (o.Verb == history.Get || o.Verb == history.Stat) && o.Outcome == history.Done
}

func acked(o *history.Operation) bool { return o.Verb == history.Put && o.Outcome == history.Done }

// newer finds an acknowledged put between a and b in time, of their key.
func newer(ops []history.Operation, a, b *history.Operation) *history.Operation {
	for i := range ops {
		p := &ops[i]
		if acked(p) && p.Key == a.Key && a.Return < p.Call && p.Return < b.Call {
			return p
		}
	}
	return nil
}

func swapReads(r *rand.Rand, ops []history.Operation) bool {
	a, b := pick(r, ops, func(a, b *history.Operation) bool {
		return got(a) && got(b) && a.Key == b.Key && newer(ops, a, b) != nil
	})
	if a == nil {
		return false
	}
	a.Seen, b.Seen = b.Seen, a.Seen
	return true
}

func lostWrite(r *rand.Rand, ops []history.Operation) bool {
	a, b := pick(r, ops, func(a, b *history.Operation) bool { return acked(a) && got(b) && a.Key == b.Key })
	if a == nil {
		return false
	}
	// Nobody deletes any more, so what was acknowledged cannot be absent.
	for i := range ops {
		if ops[i].Verb == history.Delete && ops[i].Key == a.Key && ops[i].Outcome != history.Absent {
			ops[i].Outcome = history.Nothing
		}
	}
	b.Outcome, b.Seen = history.Absent, nil
	return true
}

func staleRead(r *rand.Rand, ops []history.Operation) bool {
	a, b := pick(r, ops, func(a, b *history.Operation) bool {
		return got(a) && b.Verb == history.Get && b.Outcome != history.Nothing && a.Key == b.Key && newer(ops, a, b) != nil
	})
	if a == nil {
		return false
	}
	b.Outcome, b.Seen = history.Done, a.Seen
	return true
}

func neverHappened(r *rand.Rand, ops []history.Operation) bool {
	a, _ := pick(r, ops, func(a, b *history.Operation) bool {
		return acked(a) && got(b) && a.Key == b.Key && b.Seen.Tag == a.Tag
	})
	if a == nil {
		return false
	}
	a.Outcome, a.Seen = history.Nothing, nil
	return true
}

func failedWriteRead(r *rand.Rand, ops []history.Operation) bool {
	a, b := pick(r, ops, func(a, b *history.Operation) bool {
		return a.Verb == history.Put && a.Outcome == history.Refused && got(b) && a.Key == b.Key
	})
	if a == nil {
		return false
	}
	seen := *b.Seen
	seen.Tag, seen.Size, seen.Digest = a.Tag, a.Size, a.Digest
	b.Seen = &seen
	return true
}

func resurrected(r *rand.Rand, ops []history.Operation) bool {
	a, b := pick(r, ops, func(a, b *history.Operation) bool {
		if a.Verb != history.Delete || a.Outcome != history.Done || b.Verb != history.List || history.PrefixOf(a.Key) != b.Key {
			return false
		}
		for i := range ops {
			if acked(&ops[i]) && ops[i].Key == a.Key && ops[i].Return < a.Call {
				return true
			}
		}
		return false
	})
	if a == nil {
		return false
	}
	for i := range ops {
		if acked(&ops[i]) && ops[i].Key == a.Key && ops[i].Return < a.Call {
			seen := *ops[i].Seen
			seen.Key = a.Key
			b.Listed = insert(b.Listed, seen)
			return true
		}
	}
	return false
}

// insert puts s where its key belongs, in the place of another of that key.
func insert(listed []history.Seen, s history.Seen) (out []history.Seen) {
	for _, o := range listed {
		if o.Key < s.Key {
			out = append(out, o)
		}
	}
	out = append(out, s)
	for _, o := range listed {
		if o.Key > s.Key {
			out = append(out, o)
		}
	}
	return out
}

func leftOut(r *rand.Rand, ops []history.Operation) bool {
	a, b := pick(r, ops, func(a, b *history.Operation) bool {
		return acked(a) && b.Verb == history.List && len(b.Listed) > 0 && b.Listed[0].Key == a.Key && b.Listed[0].Tag == a.Tag
	})
	if a == nil {
		return false
	}
	for i := range ops {
		if ops[i].Verb == history.Delete && ops[i].Key == a.Key && ops[i].Outcome != history.Absent {
			ops[i].Outcome = history.Nothing
		}
	}
	b.Listed = b.Listed[1:]
	return true
}

func doubleCreate(r *rand.Rand, ops []history.Operation) bool {
	for i := range ops {
		o := &ops[i]
		if o.Verb != history.Put || o.Condition != history.IfAbsent || o.Outcome != history.Refused {
			continue
		}
		for j := range ops {
			if p := &ops[j]; acked(p) && p.Key == o.Key && p.Return < o.Call && !deletedSince(ops, p) {
				o.Outcome, o.Seen = history.Done, &history.Seen{Version: at(1 << 40), Tag: o.Tag, Size: o.Size, Digest: o.Digest}
				return true
			}
		}
	}
	return false
}

// deletedSince tells whether anything may have deleted the key after p was called.
func deletedSince(ops []history.Operation, p *history.Operation) bool {
	for i := range ops {
		d := &ops[i]
		if d.Verb == history.Delete && d.Key == p.Key && (d.Outcome == history.Unknown || d.Outcome == history.Done && d.Return > p.Call) {
			return true
		}
	}
	return false
}

func swapVersions(r *rand.Rand, ops []history.Operation) bool {
	a, b := pick(r, ops, func(a, b *history.Operation) bool { return acked(a) && acked(b) })
	if a == nil {
		return false
	}
	a.Seen.Version, b.Seen.Version = b.Seen.Version, a.Seen.Version
	return true
}

func groundless(r *rand.Rand, ops []history.Operation) bool {
	for i := range ops {
		if o := &ops[i]; acked(o) && o.Condition == history.Always {
			o.Outcome, o.Seen = history.Refused, nil
			return true
		}
	}
	return false
}

func wrongBytes(r *rand.Rand, ops []history.Operation) bool {
	a, b := pick(r, ops, func(a, b *history.Operation) bool { return acked(a) && got(b) && b.Seen.Tag != a.Tag })
	if a == nil {
		return false
	}
	seen := *b.Seen
	seen.Digest = a.Digest
	b.Seen = &seen
	return true
}
