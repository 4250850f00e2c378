package logstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(Config{Path: path, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func fresh(t *testing.T) *Store { return open(t, filepath.Join(t.TempDir(), "raft.db")) }

// entries are low to high, each of term.
func entries(low, high, term uint64) (out []*raft.Log) {
	for i := low; i <= high; i++ {
		out = append(out, &raft.Log{Index: i, Term: term, Data: fmt.Appendf(nil, "entry %d", i)})
	}
	return out
}

func mustStore(t *testing.T, s *Store, logs []*raft.Log) {
	t.Helper()
	if err := s.StoreLogs(logs); err != nil {
		t.Fatal(err)
	}
}

func bounds(s *Store) [2]uint64 {
	first, _ := s.FirstIndex()
	last, _ := s.LastIndex()
	return [2]uint64{first, last}
}

func TestLogIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path)
	mustStore(t, s, entries(1, 300, 2))
	if err := s.StoreLog(entries(301, 301, 3)[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if got := bounds(s); got != [2]uint64{1, 301} {
		t.Fatalf("bounds %v", got)
	}
	for _, i := range []uint64{1, 150, 301} {
		var l raft.Log
		if err := s.GetLog(i, &l); err != nil || string(l.Data) != fmt.Sprintf("entry %d", i) {
			t.Fatalf("entry %d: %+v, %v", i, l, err)
		}
	}
	var l raft.Log
	if err := s.GetLog(302, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Fatalf("entry 302: %v", err)
	}
}

// bbolt warns of deletes under a cursor, which raft-boltdb does.
func TestCompactionLeavesNothingBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path)
	for i := uint64(0); i < 20; i++ {
		mustStore(t, s, entries(i*500+1, i*500+500, 1))
	}
	if err := s.DeleteRange(1, 9000); err != nil {
		t.Fatal(err)
	}
	if got := bounds(s); got != [2]uint64{9001, 10000} {
		t.Fatalf("bounds %v", got)
	}
	for i := uint64(1); i <= 9000; i++ {
		var l raft.Log
		if err := s.disk.GetLog(i, &l); !errors.Is(err, raft.ErrLogNotFound) {
			t.Fatalf("entry %d is still there: %v", i, err)
		}
	}
}

func TestConflictingSuffixIsReplaced(t *testing.T) {
	s := fresh(t)
	mustStore(t, s, entries(1, 10, 1))
	if err := s.DeleteRange(6, 10); err != nil {
		t.Fatal(err)
	}
	mustStore(t, s, entries(6, 7, 2))
	var l raft.Log
	if err := s.GetLog(6, &l); err != nil || l.Term != 2 {
		t.Fatalf("%+v, %v", l, err)
	}
	if err := s.GetLog(8, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Fatalf("a deleted entry: %+v, %v", l, err)
	}
	if err := s.DeleteRange(1, 7); err != nil {
		t.Fatal(err)
	}
	if got := bounds(s); got != [2]uint64{} {
		t.Fatalf("bounds of nothing: %v", got)
	}
}

// ended runs fn, which must not return before Release, and tells its error.
func ended(t *testing.T, s *Store, told <-chan error, fn func() error) error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- fn() }()
	fatal := <-told
	select {
	case err := <-result:
		t.Fatalf("answered after a failure: %v", err)
	default:
	}
	s.Release()
	if err := <-result; !errors.Is(err, fatal) {
		t.Fatalf("%v, not %v", err, fatal)
	}
	return fatal
}

func TestOrderIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		before, then []*raft.Log
		snapshot     uint64
		ok           bool
	}{
		"the first entry":               {nil, entries(1, 1, 1), 0, true},
		"not the first entry":           {nil, entries(2, 2, 1), 0, false},
		"the next":                      {entries(1, 3, 1), entries(4, 6, 2), 0, true},
		"a gap":                         {entries(1, 3, 1), entries(5, 5, 1), 0, false},
		"again":                         {entries(1, 3, 1), entries(3, 3, 1), 0, false},
		"a lower term":                  {entries(1, 3, 2), entries(4, 4, 1), 0, false},
		"a gap inside":                  {nil, append(entries(1, 1, 1), entries(3, 3, 1)...), 0, false},
		"after a snapshot":              {nil, entries(11, 12, 5), 10, true},
		"not after the snapshot":        {nil, entries(12, 12, 5), 10, false},
		"a term below the snapshot's":   {nil, entries(11, 11, 4), 10, false},
		"a hole that a snapshot covers": {entries(1, 3, 1), entries(11, 12, 5), 10, true},
		"a hole beyond the snapshot":    {entries(1, 3, 1), entries(12, 12, 5), 10, false},
		"within what is covered":        {entries(1, 20, 5), entries(21, 22, 5), 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan error, 1)
			s := fresh(t)
			s.cfg.OnFatal = func(err error) { told <- err }
			if c.before != nil {
				mustStore(t, s, c.before)
			}
			if c.snapshot > 0 {
				s.SetSnapshot(c.snapshot, 5)
			}
			if c.ok {
				mustStore(t, s, c.then)
				return
			}
			if err := ended(t, s, told, func() error { return s.StoreLogs(c.then) }); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
		})
	}
}

func TestAHoleIsNotLeftInTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path)
	mustStore(t, s, entries(1, 50, 1))
	s.SetSnapshot(1000, 4)
	mustStore(t, s, entries(1001, 1003, 4))
	if got := bounds(s); got != [2]uint64{1001, 1003} {
		t.Fatalf("bounds %v", got)
	}
	_ = s.Close()
	if got := bounds(open(t, path)); got != [2]uint64{1001, 1003} {
		t.Fatalf("bounds on disk %v", got)
	}
}

func TestOutOfTheMiddle(t *testing.T) {
	told := make(chan error, 1)
	s := fresh(t)
	s.cfg.OnFatal = func(err error) { told <- err }
	mustStore(t, s, entries(1, 10, 1))
	ended(t, s, told, func() error { return s.DeleteRange(3, 5) })
}

// The entry before the next one is the snapshot's, also when it is gone.
func TestBridge(t *testing.T) {
	s := fresh(t)
	mustStore(t, s, entries(1, 20, 3))
	s.SetSnapshot(10, 3)
	if err := s.DeleteRange(1, 12); err != nil {
		t.Fatal(err)
	}
	var l raft.Log
	if err := s.GetLog(10, &l); err != nil || l.Term != 3 || l.Index != 10 || len(l.Data) != 0 {
		t.Fatalf("an entry that is gone: %+v, %v", l, err)
	}
	if err := s.GetLog(9, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Fatalf("before the snapshot: %v", err)
	}
	if err := s.GetLog(13, &l); err != nil || len(l.Data) == 0 {
		t.Fatalf("after the snapshot: %+v, %v", l, err)
	}
	s.SetSnapshot(4, 1)
	if err := s.GetLog(10, &l); err != nil || l.Term != 3 {
		t.Fatalf("an older snapshot took its place: %v", err)
	}
	one := fresh(t)
	one.SetSnapshot(1, 3)
	if err := one.GetLog(1, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Fatalf("entry 1 would be replicated: %v", err)
	}
}

func TestRelationToASnapshot(t *testing.T) {
	s := fresh(t)
	if got, err := s.Relate(5, 1); err != nil || got != Shorter {
		t.Fatalf("an empty log: %v, %v", got, err)
	}
	mustStore(t, s, append(entries(1, 10, 1), entries(11, 20, 2)...))
	for _, c := range []struct {
		index, term uint64
		want        Relation
	}{{20, 2, Same}, {10, 1, Same}, {21, 2, Shorter}, {10, 2, Another}, {11, 3, Another}} {
		if got, err := s.Relate(c.index, c.term); err != nil || got != c.want {
			t.Errorf("entry %d of term %d: %v, %v", c.index, c.term, got, err)
		}
	}
	if err := s.DeleteRange(1, 15); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Relate(10, 9); err != nil || got != Same {
		t.Fatalf("before the log: %v, %v", got, err)
	}
	if err := errors.Join(s.Drop(), s.Drop()); err != nil || bounds(s) != [2]uint64{} {
		t.Fatalf("%v, %v", bounds(s), err)
	}
}

func TestIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path)
	if err := s.Claim(protocol.ID{}, "m1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Claim(protocol.ID{1}, "m1"); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, path)
	if cluster, id, err := s.Identity(); err != nil || cluster != (protocol.ID{1}) || id != "m1" {
		t.Fatalf("%v %q %v", cluster, id, err)
	}
	if err := s.Claim(protocol.ID{}, "m1"); err != nil {
		t.Fatalf("no opinion: %v", err)
	}
	if err := s.Claim(protocol.ID{2}, "m1"); protocol.KindOf(err) != protocol.WrongCluster {
		t.Fatalf("another cluster: %v", err)
	}
	if err := s.Claim(protocol.ID{1}, "m2"); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Fatalf("another member: %v", err)
	}
	b, err := s.disk.Get([]byte(keyIdentity))
	if want := "\x01\x01" + string(make([]byte, 15)) + "m1"; err != nil || string(b) != want {
		t.Fatalf("identity on disk %q, %v", b, err)
	}
}

func TestTheFileIsLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	open(t, path)
	if s, err := Open(Config{Path: path}); err == nil {
		_ = s.Close()
		t.Fatal("two processes share a log")
	}
}
