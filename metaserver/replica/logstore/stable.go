package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// raft's own keys (hashicorp/raft raft.go), and ours.
const (
	keyCurrentTerm  = "CurrentTerm"
	keyLastVoteTerm = "LastVoteTerm"
	keyLastVoteCand = "LastVoteCand"
	keyVote         = "AshlarVote"
	keyIdentity     = "AshlarIdentity"
)

// vote is the last vote as it is on disk:
//
//	term uint64 │ candidate      (big endian)
type vote struct {
	term      uint64
	candidate []byte
	// pending is a term that waits for its candidate; 0: none does.
	pending uint64
}

func (v vote) encode() []byte {
	return append(binary.BigEndian.AppendUint64(nil, v.term), v.candidate...)
}

func (s *Store) loadVote() error {
	term, err := s.GetUint64([]byte(keyCurrentTerm))
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return err
	}
	s.term = term
	b, err := s.disk.Get([]byte(keyVote))
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(b) < 8 {
		return fmt.Errorf("raft log: the saved vote has %d bytes", len(b))
	}
	s.vote = vote{term: binary.BigEndian.Uint64(b), candidate: b[8:]}
	return nil
}

// Set saves a value durably. A candidate completes the vote (*torn vote*).
func (s *Store) Set(key, val []byte) error {
	defer s.begin()()
	if err := s.healthy(); err != nil {
		return err
	}
	if string(key) == keyLastVoteCand {
		return s.saveVote(val)
	}
	if err := s.disk.Set(key, val); err != nil {
		return s.fail("save "+string(key), err)
	}
	return nil
}

func (s *Store) saveVote(candidate []byte) error {
	s.mu.RLock()
	v := vote{term: s.vote.pending, candidate: append([]byte(nil), candidate...)}
	s.mu.RUnlock()
	if v.term == 0 {
		return s.fail("save vote", fmt.Errorf("%w: a candidate without a term", errBroken))
	}
	if err := s.disk.Set([]byte(keyVote), v.encode()); err != nil {
		return s.fail("save vote", err)
	}
	s.mu.Lock()
	s.vote = v
	s.mu.Unlock()
	return nil
}

// Get reads a value; raft takes the text "not found" for an absent one.
func (s *Store) Get(key []byte) ([]byte, error) {
	if err := s.healthy(); err != nil {
		return nil, err
	}
	if string(key) == keyLastVoteCand {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.vote.term == 0 {
			return nil, raftboltdb.ErrKeyNotFound
		}
		return s.vote.candidate, nil
	}
	b, err := s.disk.Get(key)
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return nil, s.fail("read "+string(key), err)
	}
	return b, err
}

// SetUint64 saves a number durably, except a vote's term, which waits for the
// candidate.
func (s *Store) SetUint64(key []byte, val uint64) error {
	switch string(key) {
	case keyLastVoteTerm:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.vote.pending = val
		return nil
	case keyCurrentTerm:
		return s.setTerm(val)
	default:
		return s.Set(key, binary.BigEndian.AppendUint64(nil, val))
	}
}

// setTerm keeps the highest term: raft saves the same one again at every change of
// role. A failed save answers with success once it is released: raft would panic
// otherwise, and by then it can tell nobody.
func (s *Store) setTerm(term uint64) error {
	if term <= s.Term() && s.healthy() == nil {
		return nil
	}
	if err := s.Set([]byte(keyCurrentTerm), binary.BigEndian.AppendUint64(nil, term)); err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.term = max(s.term, term)
	return nil
}

// Term is the highest term ever saved: this member has voted in none above it.
func (s *Store) Term() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.term
}

// GetUint64 reads a number.
func (s *Store) GetUint64(key []byte) (uint64, error) {
	if string(key) == keyLastVoteTerm {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.vote.term == 0 {
			return 0, raftboltdb.ErrKeyNotFound
		}
		return s.vote.term, nil
	}
	b, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, s.fail("read "+string(key), fmt.Errorf("a number of %d bytes", len(b)))
	}
	return binary.BigEndian.Uint64(b), nil
}

// identityFormat is the layout of the identity:
//
//	format uint8, 1 │ cluster 16 bytes │ member id
const identityFormat = 1

// Identity is whose log this is; both are zero in a new file.
func (s *Store) Identity() (cluster protocol.ID, id string, err error) {
	b, err := s.disk.Get([]byte(keyIdentity))
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return protocol.ID{}, "", nil
	}
	if err != nil {
		return protocol.ID{}, "", err
	}
	if len(b) < 17 || b[0] != identityFormat {
		return protocol.ID{}, "", protocol.Errorf(protocol.Corrupt, "raft log: broken identity")
	}
	return protocol.ID(b[1:17]), string(b[17:]), nil
}

// Claim compares the file's identity with the one wanted and writes what it
// lacks (*identity*): another cluster is WrongCluster, another member
// InvalidArgument. A zero cluster is no opinion.
func (s *Store) Claim(cluster protocol.ID, id string) error {
	have, haveID, err := s.Identity()
	switch {
	case err != nil:
		return err
	case haveID != "" && haveID != id:
		return protocol.Errorf(protocol.InvalidArgument, "this folder belongs to member %q, not %q; a new member takes an empty folder", haveID, id)
	case !have.IsZero() && !cluster.IsZero() && have != cluster:
		return protocol.Errorf(protocol.WrongCluster, "this folder belongs to cluster %s, not %s", have, cluster)
	case cluster.IsZero():
		cluster = have
	}
	if have == cluster && haveID == id {
		return nil
	}
	b := append([]byte{identityFormat}, cluster[:]...)
	return s.Set([]byte(keyIdentity), append(b, id...))
}
