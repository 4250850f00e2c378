package logstore

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

var errDisk = errors.New("input/output error")

func vote1(s *Store, term uint64, candidate string) error {
	if err := s.SetUint64([]byte(keyLastVoteTerm), term); err != nil {
		return err
	}
	return s.Set([]byte(keyLastVoteCand), []byte(candidate))
}

func lastVote(t *testing.T, s *Store) (uint64, string) {
	t.Helper()
	term, err := s.GetUint64([]byte(keyLastVoteTerm))
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return 0, ""
	}
	candidate, err2 := s.Get([]byte(keyLastVoteCand))
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return term, string(candidate)
}

// A crash between the two keys of a vote leaves the vote before, whole.
func TestTornVote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path)
	if term, candidate := lastVote(t, s); term != 0 || candidate != "" {
		t.Fatalf("a new file has voted: %d %q", term, candidate)
	}
	if err := vote1(s, 5, "a"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetUint64([]byte(keyLastVoteTerm), 6); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, path)
	if term, candidate := lastVote(t, s); term != 5 || candidate != "a" {
		t.Fatalf("after the crash: term %d, %q", term, candidate)
	}
	if err := vote1(s, 7, "b"); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, path)
	if term, candidate := lastVote(t, s); term != 7 || candidate != "b" {
		t.Fatalf("after the next: term %d, %q", term, candidate)
	}
	raw, err := s.disk.Get([]byte(keyVote))
	if err != nil || string(raw) != "\x00\x00\x00\x00\x00\x00\x00\x07b" {
		t.Fatalf("the vote on disk: %q, %v", raw, err)
	}
}

func TestTermNeverFalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raft.db")
	s := open(t, path)
	for _, term := range []uint64{3, 3, 2, 5, 4} {
		if err := s.SetUint64([]byte(keyCurrentTerm), term); err != nil {
			t.Fatal(err)
		}
	}
	if s.Term() != 5 {
		t.Fatalf("term %d", s.Term())
	}
	_ = s.Close()
	s = open(t, path)
	if got, err := s.GetUint64([]byte(keyCurrentTerm)); err != nil || got != 5 || s.Term() != 5 {
		t.Fatalf("on disk %d, %v", got, err)
	}
	if _, err := s.Get([]byte("nothing")); err == nil || err.Error() != "not found" {
		t.Fatalf("raft takes %q for absent", err)
	}
}

// Each kind of write fails once; nobody is answered before Release, and
// everybody after it gets the failure.
func TestNoAnswerAfterAFailedWrite(t *testing.T) {
	for name, write := range map[string]func(*Store) error{
		"append": func(s *Store) error { return s.StoreLogs(entries(3, 4, 1)) },
		"delete": func(s *Store) error { return s.DeleteRange(1, 1) },
		"vote":   func(s *Store) error { return vote1(s, 2, "a") },
		"other":  func(s *Store) error { return s.Set([]byte("k"), []byte("v")) },
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan error, 1)
			s := fresh(t)
			s.cfg.OnFatal = func(err error) { told <- err }
			mustStore(t, s, entries(1, 2, 1))
			s.Inject(func() error { return errDisk })
			fatal := ended(t, s, told, func() error { return write(s) })
			if !errors.Is(fatal, errDisk) || !errors.Is(s.Err(), fatal) {
				t.Fatalf("%v", fatal)
			}
			for later, fn := range map[string]func() error{
				"append": func() error { return s.StoreLogs(entries(3, 3, 1)) },
				"read":   func() error { return s.GetLog(1, new(raft.Log)) },
				"vote":   func() error { return vote1(s, 9, "b") },
			} {
				if err := fn(); !errors.Is(err, fatal) {
					t.Errorf("%s afterwards: %v", later, err)
				}
			}
			if err := s.SetUint64([]byte(keyCurrentTerm), 9); err != nil || s.Term() == 9 {
				t.Errorf("the current term: %v, %d", err, s.Term())
			}
		})
	}
}
