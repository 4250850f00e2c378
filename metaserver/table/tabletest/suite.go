// Package tabletest asks a table everything that state.Table promises. Each
// implementation runs the same questions, [Run], and [Twins] compares two of them
// over random steps.
package tabletest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
)

// Set is a mutation that sets a row.
func Set(key, value string) state.Mutation {
	return state.Mutation{Key: []byte(key), Value: []byte(value)}
}

// Delete is a mutation that deletes one.
func Delete(key string) state.Mutation { return state.Mutation{Key: []byte(key), Delete: true} }

// Write writes a batch, which is sorted, or fails the test.
func Write(t testing.TB, table state.Table, batch ...state.Mutation) {
	t.Helper()
	if err := table.Write(batch); err != nil {
		t.Fatal(err)
	}
}

// Rows lists [lower, upper) as "key=value".
func Rows(t testing.TB, r state.Reader, lower, upper string) (out []string) {
	t.Helper()
	var end []byte
	if upper != "" {
		end = []byte(upper)
	}
	err := r.Scan([]byte(lower), end, func(k, v []byte) bool {
		out = append(out, fmt.Sprintf("%s=%s", k, v))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Run asks every question of empty tables that open makes.
func Run(t *testing.T, open func(t *testing.T) state.Table) {
	for name, ask := range map[string]func(*testing.T, state.Table){
		"Get":           get,
		"Scan":          scan,
		"ScanStops":     scanStops,
		"Write":         write,
		"ViewIsAMoment": viewIsAMoment,
		"BatchIsAtomic": batchIsAtomic,
		"SlicesAreKept": slicesAreKept,
		"BinaryKeys":    binaryKeys,
	} {
		t.Run(name, func(t *testing.T) { ask(t, open(t)) })
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%v, not %v", got, want)
	}
}

func get(t *testing.T, table state.Table) {
	if _, ok, err := table.Get([]byte("a")); ok || err != nil {
		t.Fatalf("an empty table: %v, %v", ok, err)
	}
	Write(t, table, Set("a", "1"), Set("b", ""))
	for key, want := range map[string]string{"a": "1", "b": ""} {
		if v, ok, err := table.Get([]byte(key)); string(v) != want || !ok || err != nil {
			t.Fatalf("%s: %q, %v, %v", key, v, ok, err)
		}
	}
	if _, ok, _ := table.Get([]byte("ab")); ok {
		t.Fatal("a key between two others is there")
	}
}

func scan(t *testing.T, table state.Table) {
	Write(t, table, Set("a", "1"), Set("b", "2"), Set("c", "3"), Set("c\x00", "4"), Set("d", "5"))
	same(t, Rows(t, table, "", ""), "a=1", "b=2", "c=3", "c\x00=4", "d=5")
	same(t, Rows(t, table, "b", "c"), "b=2")
	same(t, Rows(t, table, "b", "c\x00"), "b=2", "c=3")
	same(t, Rows(t, table, "bb", "cc"), "c=3", "c\x00=4")
	same(t, Rows(t, table, "c", ""), "c=3", "c\x00=4", "d=5")
	same(t, Rows(t, table, "b", "b"))
	same(t, Rows(t, table, "c", "b"))
	same(t, Rows(t, table, "x", "z"))
}

func scanStops(t *testing.T, table state.Table) {
	Write(t, table, Set("a", "1"), Set("b", "2"), Set("c", "3"))
	n := 0
	if err := table.Scan(nil, nil, func(k, v []byte) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Fatalf("%d rows, %v", n, err)
	}
}

func write(t *testing.T, table state.Table) {
	Write(t, table)
	Write(t, table, Set("a", "1"), Set("b", "2"), Set("c", "3"))
	Write(t, table, Delete("a"), Set("b", "new"), Delete("nothing"))
	same(t, Rows(t, table, "", ""), "b=new", "c=3")
	Write(t, table, Set("a", "again"), Delete("b"), Delete("c"))
	same(t, Rows(t, table, "", ""), "a=again")
}

func viewIsAMoment(t *testing.T, table state.Table) {
	Write(t, table, Set("a", "1"))
	first := table.View()
	Write(t, table, Set("a", "2"), Set("b", "2"))
	second := table.View()
	Write(t, table, Delete("a"), Delete("b"))
	same(t, Rows(t, first, "", ""), "a=1")
	same(t, Rows(t, second, "", ""), "a=2", "b=2")
	same(t, Rows(t, table, "", ""))
	if v, ok, err := first.Get([]byte("a")); string(v) != "1" || !ok || err != nil {
		t.Fatalf("%q, %v, %v", v, ok, err)
	}
	if err := errors.Join(first.Close(), second.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
}

// A reader beside the writer sees both rows of a batch, or neither.
func batchIsAtomic(t *testing.T, table state.Table) {
	Write(t, table, Set("x", "0"), Set("y", "0"))
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for range 200 {
				v := table.View()
				x, _, err1 := v.Get([]byte("x"))
				y, _, err2 := v.Get([]byte("y"))
				if err := errors.Join(err1, err2, v.Close()); err != nil || !bytes.Equal(x, y) {
					t.Errorf("half a batch: x=%s, y=%s, %v", x, y, err)
					return
				}
			}
		})
	}
	for i := range 300 {
		Write(t, table, Set("x", fmt.Sprint(i)), Set("y", fmt.Sprint(i)))
	}
	readers.Wait()
}

// What Get returned stays as it was, whatever is written afterwards.
func slicesAreKept(t *testing.T, table state.Table) {
	Write(t, table, Set("a", "first"))
	v, _, err := table.Get([]byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		Write(t, table, Set("a", fmt.Sprintf("other %d", i)))
	}
	if string(v) != "first" {
		t.Fatalf("the value became %q", v)
	}
}

func binaryKeys(t *testing.T, table state.Table) {
	keys := []string{"\x00", "\x00\x00", "\x00\xff", "\x7f", "\x80", "\xff", "\xff\xff"}
	var want []string
	for _, k := range keys {
		Write(t, table, Set(k, "v"))
		want = append(want, k+"=v")
	}
	same(t, Rows(t, table, "", ""), want...)
	same(t, Rows(t, table, "\x80", "\xff\xff"), "\x80=v", "\xff=v")
}
