package logstore

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// errBroken is an invariant of the log that a write would break.
var errBroken = errors.New("broken order")

// FirstIndex is the first entry's index; 0 if there is none.
func (s *Store) FirstIndex() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.first, nil
}

// LastIndex is the last entry's index; 0 if there is none.
func (s *Store) LastIndex() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last, nil
}

// SetSnapshot tells the newest snapshot's last entry (*bridge*, *contiguous*). A
// lower index than before changes nothing.
func (s *Store) SetSnapshot(index, term uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index >= s.snapshot.index {
		s.snapshot = position{index, term}
	}
}

// GetLog reads the entry at index, or raft.ErrLogNotFound. The entry that the
// newest snapshot ends with has an index and a term even if it is gone (*bridge*):
// nothing else of it is asked for, except at index 1, where replication begins.
func (s *Store) GetLog(index uint64, out *raft.Log) error {
	if err := s.healthy(); err != nil {
		return err
	}
	s.mu.RLock()
	cached, snapshot := s.cache[index%cacheEntries], s.snapshot
	s.mu.RUnlock()
	if cached != nil && cached.Index == index {
		*out = *cached
		return nil
	}
	err := s.disk.GetLog(index, out)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, raft.ErrLogNotFound):
		return s.fail("read", err)
	case index == snapshot.index && index > 1:
		*out = raft.Log{Index: snapshot.index, Term: snapshot.term, Type: raft.LogNoop}
		return nil
	default:
		return err
	}
}

// Relation says how the log stands to a snapshot.
type Relation int

// The relations.
const (
	// Same: the log holds the snapshot's last entry, and so, by raft's log matching
	// property, the same entries before it; or it begins after the snapshot.
	Same Relation = iota
	// Shorter: the log ends before the snapshot's last entry. What it holds may be
	// of another history.
	Shorter
	// Another: the log holds another entry in its place. It is of another history
	// from there or before, and all that follows is.
	Another
)

// Relate compares the log with a snapshot that ends with the entry at index.
func (s *Store) Relate(index, term uint64) (Relation, error) {
	first, _ := s.FirstIndex()
	last, _ := s.LastIndex()
	switch {
	case last < index:
		return Shorter, nil
	case first > index:
		return Same, nil
	}
	have, err := s.termOnDisk(index)
	if err != nil {
		return Same, s.fail("read", err)
	}
	if have != term {
		return Another, nil
	}
	return Same, nil
}

// Drop removes every entry.
func (s *Store) Drop() error {
	first, _ := s.FirstIndex()
	last, _ := s.LastIndex()
	return s.DeleteRange(first, last)
}

// StoreLog is StoreLogs of one.
func (s *Store) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs appends entries durably, in one transaction (*contiguous*).
func (s *Store) StoreLogs(logs []*raft.Log) error {
	defer s.begin()()
	if err := s.healthy(); err != nil || len(logs) == 0 {
		return err
	}
	if err := s.fillHole(logs[0].Index); err != nil {
		return err
	}
	if err := s.inOrder(logs); err != nil {
		return s.fail("append", err)
	}
	if err := s.disk.StoreLogs(logs); err != nil {
		return s.fail("append", err)
	}
	s.appended(logs)
	return nil
}

// fillHole drops a log that ends before the snapshot which the new entries
// follow.
func (s *Store) fillHole(next uint64) error {
	s.mu.RLock()
	first, last, snapshot := s.first, s.last, s.snapshot.index
	s.mu.RUnlock()
	if last == 0 || last >= snapshot || next != snapshot+1 {
		return nil
	}
	return s.deleteRange(first, last)
}

func (s *Store) inOrder(logs []*raft.Log) error {
	s.mu.RLock()
	last, term, snapshot := s.last, s.lastTerm, s.snapshot
	s.mu.RUnlock()
	if last == 0 {
		last, term = snapshot.index, snapshot.term
		if logs[0].Index == 1 {
			last, term = 0, 0
		}
	}
	for _, l := range logs {
		if l.Index != last+1 || l.Term < term {
			return fmt.Errorf("%w: entry %d of term %d after entry %d of term %d", errBroken, l.Index, l.Term, last, term)
		}
		last, term = l.Index, l.Term
	}
	return nil
}

func (s *Store) appended(logs []*raft.Log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == 0 {
		s.first = logs[0].Index
	}
	for _, l := range logs {
		s.cache[l.Index%cacheEntries] = l
	}
	end := logs[len(logs)-1]
	s.last, s.lastTerm = end.Index, end.Term
}

// DeleteRange removes entries at the beginning, by compaction, or at the end,
// where they conflict with the leader's.
func (s *Store) DeleteRange(low, high uint64) error {
	defer s.begin()()
	if err := s.healthy(); err != nil {
		return err
	}
	return s.deleteRange(low, high)
}

func (s *Store) deleteRange(low, high uint64) error {
	s.mu.RLock()
	first, last := s.first, s.last
	s.mu.RUnlock()
	if last == 0 || high < first || low > last {
		return nil
	}
	if low > first && high < last {
		return s.fail("delete", fmt.Errorf("%w: %d to %d out of the middle of %d to %d", errBroken, low, high, first, last))
	}
	if err := s.disk.DeleteRange(low, high); err != nil {
		return s.fail("delete", err)
	}
	switch {
	case low <= first && high >= last:
		first, last = 0, 0
	case low <= first:
		first = high + 1
	default:
		last = low - 1
	}
	term, err := s.termOnDisk(last)
	if err != nil {
		return s.fail("delete", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first, s.last, s.lastTerm = first, last, term
	for i, l := range s.cache {
		if l != nil && (l.Index < first || l.Index > last) {
			s.cache[i] = nil
		}
	}
	return nil
}
