package state_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

func validate(c *record.Command) error { return state.Validate(c) }

// plainTable is the obvious table: a sorted slice.
type plainTable struct{ rows []state.Mutation }

func (p *plainTable) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(p.rows, key, func(m state.Mutation, key []byte) int { return bytes.Compare(m.Key, key) })
}

func (p *plainTable) Get(key []byte) ([]byte, bool, error) {
	at, ok := p.find(key)
	if !ok {
		return nil, false, nil
	}
	return p.rows[at].Value, true, nil
}

func (p *plainTable) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	for at, _ := p.find(lower); at < len(p.rows) && (upper == nil || bytes.Compare(p.rows[at].Key, upper) < 0); at++ {
		if !fn(p.rows[at].Key, p.rows[at].Value) {
			return nil
		}
	}
	return nil
}

func (p *plainTable) Write(sorted []state.Mutation) error {
	for i, m := range sorted {
		if i > 0 && bytes.Compare(sorted[i-1].Key, m.Key) >= 0 {
			return errors.New("the mutations are not sorted")
		}
		at, found := p.find(m.Key)
		switch {
		case m.Delete && found:
			p.rows = slices.Delete(p.rows, at, at+1)
		case !m.Delete && found:
			p.rows[at] = m
		case !m.Delete:
			p.rows = slices.Insert(p.rows, at, m)
		}
	}
	return nil
}

func (p *plainTable) View() state.View { return plainView{&plainTable{slices.Clone(p.rows)}} }

type plainView struct{ *plainTable }

func (plainView) Close() error { return nil }

// layoutSeeds are a change of layout as planned, and the first step of its sweep.
func layoutSeeds(f *testing.F, m *machine) (change, step *record.Command) {
	plan, err := state.PlanLayout(m.table, nil)
	if err != nil {
		f.Fatal(err)
	}
	return &record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
		IfLayoutVersion: plan.LayoutVersion, Algorithm: plan.Algorithm, TableDigest: plan.TableDigest,
	}}}, &record.Command{Body: &record.Command_SweepStep{SweepStep: &record.SweepStep{Sweep: 1, Count: 1}}}
}

// FuzzApply: whatever bytes the log holds, two tables agree on the answers, the
// digest and every row, the invariants hold, and the index advances.
func FuzzApply(f *testing.F) {
	base := newMachineOn(f, &plainTable{})
	for _, c := range allSamples() {
		f.Add(encode(f, c))
	}
	f.Add(encode(f, sampleWork()...))
	f.Add(encode(f, sampleCommands()...))
	f.Add([]byte("no entry"))
	for _, c := range sampleCommands()[:6] {
		base.one(c)
	}
	change, step := layoutSeeds(f, base)
	f.Add(encode(f, change, step, step))
	rows := base.table.(*plainTable).rows
	index, _ := base.Applied()
	f.Fuzz(func(t *testing.T, entry []byte) {
		one := newMachineOn(t, &plainTable{slices.Clone(rows)})
		other := newMachine(t)
		if err := other.table.Write(rows); err != nil {
			t.Fatal(err)
		}
		other = newMachineOn(t, other.table)
		results, err := one.Apply(index+1, 7, entry)
		again, errAgain := other.Apply(index+1, 7, entry)
		if errors.Is(err, state.ErrDiverged) && errors.Is(errAgain, state.ErrDiverged) {
			return
		}
		if err != nil || errAgain != nil {
			t.Fatal(err, errAgain)
		}
		if !slices.EqualFunc(results, again, func(x, y *record.Result) bool { return bytes.Equal(marshal(t, x), marshal(t, y)) }) {
			t.Fatalf("the tables answer\n%v\n%v", results, again)
		}
		if rowsOf(t, one.table) != rowsOf(t, other.table) || !bytes.Equal(digestOf(t, one.table), digestOf(t, other.table)) {
			t.Fatal("the tables differ")
		}
		one.check()
		if at, term := other.Applied(); at != index+1 || term != 7 {
			t.Fatalf("applied %d of term %d", at, term)
		}
		if results, err := one.Apply(index+1, 7, entry); results != nil || err != nil {
			t.Fatal("an entry was applied twice", results, err)
		}
	})
}
