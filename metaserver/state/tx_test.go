package state

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// sliceTable is a sorted list of rows, for tests inside the package.
type sliceTable struct {
	rows []Mutation
	fail error
}

func (s *sliceTable) Get(key []byte) ([]byte, bool, error) {
	for _, r := range s.rows {
		if bytes.Equal(r.Key, key) {
			return r.Value, true, s.fail
		}
	}
	return nil, false, s.fail
}

func (s *sliceTable) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	for _, r := range s.rows {
		if bytes.Compare(r.Key, lower) < 0 || upper != nil && bytes.Compare(r.Key, upper) >= 0 {
			continue
		}
		if !fn(r.Key, r.Value) {
			break
		}
	}
	return s.fail
}

func scanAll(r Reader, lower, upper string) (out []string) {
	var top []byte
	if upper != "" {
		top = []byte(upper)
	}
	if err := r.Scan([]byte(lower), top, func(key, value []byte) bool {
		out = append(out, string(key)+"="+string(value))
		return true
	}); err != nil {
		panic(err)
	}
	return out
}

// TestTx: an overlay reads as a table to which its changes were made, and its
// mutations, made to the table, give the same rows.
func TestTx(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	key := func() string { return fmt.Sprintf("k%02d", draw.IntN(30)) }
	for range 300 {
		base, plain := &sliceTable{}, map[string]string{}
		for i := range 30 {
			if draw.IntN(2) == 0 {
				name := fmt.Sprintf("k%02d", i)
				base.rows = append(base.rows, Mutation{Key: []byte(name), Value: []byte("base")})
				plain[name] = "base"
			}
		}
		overlay := &tx{base: base}
		for range draw.IntN(40) {
			name, value := key(), fmt.Sprint(draw.IntN(1000))
			if draw.IntN(3) == 0 {
				overlay.delete([]byte(name))
				delete(plain, name)
			} else {
				overlay.put([]byte(name), []byte(value))
				plain[name] = value
			}
		}
		compareTx(t, overlay, plain, key(), key())
	}
}

func compareTx(t *testing.T, overlay *tx, plain map[string]string, lower, upper string) {
	t.Helper()
	var want []string
	for i := range 30 {
		name := fmt.Sprintf("k%02d", i)
		value, in := plain[name]
		got, ok, err := overlay.Get([]byte(name))
		if err != nil || ok != in || string(got) != value && in {
			t.Fatalf("%s is %q, %v, %v; expected %q, %v", name, got, ok, err, value, in)
		}
		if in && name >= lower && name < upper {
			want = append(want, name+"="+value)
		}
	}
	if got := scanAll(overlay, lower, upper); !slices.Equal(got, want) {
		t.Fatalf("[%s, %s): got %v, expected %v", lower, upper, got, want)
	}
	if got := scanAll(overlay, "k", ""); len(got) != len(plain) {
		t.Fatalf("%d rows in all, expected %d", len(got), len(plain))
	}
	mutations := overlay.sorted()
	if !slices.IsSortedFunc(mutations, func(x, y Mutation) int { return bytes.Compare(x.Key, y.Key) }) || len(mutations) != overlay.rows() {
		t.Fatalf("mutations %v", mutations)
	}
}

// TestTxStops: a scan ends where its reader says, in the table or the changes.
func TestTxStops(t *testing.T) {
	overlay := &tx{base: &sliceTable{rows: []Mutation{{Key: []byte("b")}, {Key: []byte("d")}}}}
	for _, name := range []string{"a", "c", "e"} {
		overlay.put([]byte(name), nil)
	}
	for stop := 1; stop <= 5; stop++ {
		seen := ""
		if err := overlay.Scan([]byte("a"), nil, func(key, _ []byte) bool {
			seen += string(key)
			return len(seen) < stop
		}); err != nil || seen != "abcde"[:stop] {
			t.Fatalf("stopped after %q, %v", seen, err)
		}
	}
}

// TestTxFails: the first failure of the table sticks.
func TestTxFails(t *testing.T) {
	base := &sliceTable{fail: errors.New("no disk")}
	overlay := &tx{base: base}
	if _, _, err := overlay.Get([]byte("a")); !errors.Is(err, base.fail) {
		t.Fatal(err)
	}
	base.fail = nil
	if _, _, err := overlay.Get([]byte("a")); err == nil {
		t.Fatal("the failure was forgotten")
	}
	if err := overlay.Scan(nil, nil, func(_, _ []byte) bool { return true }); err == nil {
		t.Fatal("the failure was forgotten")
	}
}

// TestCanonical: two batches have one canonical form only if they are the same.
func TestCanonical(t *testing.T) {
	forms := map[string]string{}
	for name, fill := range map[string]func(*tx){
		"empty":         func(*tx) {},
		"put":           func(o *tx) { o.put([]byte("ab"), []byte("c")) },
		"put elsewhere": func(o *tx) { o.put([]byte("a"), []byte("bc")) },
		"put nothing":   func(o *tx) { o.put([]byte("ab"), nil) },
		"delete":        func(o *tx) { o.delete([]byte("ab")) },
		"two":           func(o *tx) { o.put([]byte("a"), nil); o.put([]byte("b"), []byte("c")) },
	} {
		overlay := &tx{}
		fill(overlay)
		form := string(overlay.appendCanonical(nil))
		if other, taken := forms[form]; taken {
			t.Errorf("%s and %s have the form %x", name, other, form)
		}
		forms[form] = name
	}
	if got := fmt.Sprintf("%x", (&tx{}).appendCanonical(nil)); got != "" {
		t.Error(got)
	}
	overlay := &tx{}
	overlay.put([]byte("b"), []byte("value"))
	overlay.delete([]byte("a"))
	if got := fmt.Sprintf("%x", overlay.appendCanonical(nil)); got != "020161"+"010162"+"0576616c7565" {
		t.Error(got)
	}
}

func TestKeysAbove(t *testing.T) {
	for in, want := range map[string]string{"a": "b", "a\xff": "b", "ab": "ac", "\xff": "", "": ""} {
		if got := keysAbove([]byte(in)); string(got) != want {
			t.Errorf("above %q is %q", in, got)
		}
	}
}

func TestSplitObjectKey(t *testing.T) {
	if bucket, name := splitObjectKey(keyObject("bucket", "some/name")); bucket != "bucket" || name != "some/name" {
		t.Error(bucket, name)
	}
}
