package logstore

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

const (
	// cacheEntries bounds the newest entries that stay in memory for replication.
	cacheEntries = 128
	// mmapBytes is reserved address space, not memory: growing the map stops
	// readers, so it starts large.
	mmapBytes = 256 << 20
	// lockTimeout bounds the wait for another process that holds the file.
	lockTimeout = time.Second
)

// Config is what Open needs.
type Config struct {
	// Path is the file.
	Path string
	// NoSync is for tests and measurements only.
	NoSync bool
	Logger *slog.Logger
	// OnFatal is told the first failure, on a goroutine of its own.
	OnFatal func(error)
}

// Store is a raft.LogStore and raft.StableStore. It is safe for concurrent use.
type Store struct {
	cfg  Config
	disk disk

	// write serialises whole writes, read-check-write included; began is when the
	// one under way did, in nanoseconds since born, 0 if there is none.
	write sync.Mutex
	born  time.Time
	began atomic.Int64

	// mu guards the fields below, briefly.
	mu          sync.RWMutex
	first, last uint64 // 0, 0: empty
	lastTerm    uint64
	term        uint64 // the highest current term saved
	snapshot    position
	cache       [cacheEntries]*raft.Log
	vote        vote
	failed      error

	once     sync.Once
	released chan struct{}
	release  sync.Once
}

// position is a snapshot's last entry.
type position struct{ index, term uint64 }

// disk is what is asked of raft-boltdb; tests make it fail.
type disk interface {
	raft.LogStore
	Set(k, v []byte) error
	Get(k []byte) ([]byte, error)
	Close() error
}

var (
	_ raft.LogStore    = (*Store)(nil)
	_ raft.StableStore = (*Store)(nil)
)

// Open opens the file, or makes an empty one.
func Open(cfg Config) (*Store, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path:   cfg.Path,
		NoSync: cfg.NoSync,
		BoltOptions: &bbolt.Options{
			Timeout:         lockTimeout,
			NoFreelistSync:  true,
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: mmapBytes,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("raft log %s: %w", cfg.Path, err)
	}
	s, err := newStore(cfg, bolt)
	if err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	return s, nil
}

func newStore(cfg Config, d disk) (*Store, error) {
	s := &Store{cfg: cfg, disk: d, born: time.Now(), released: make(chan struct{})}
	var err error
	if s.first, err = d.FirstIndex(); err != nil {
		return nil, err
	}
	if s.last, err = d.LastIndex(); err != nil {
		return nil, err
	}
	if s.lastTerm, err = s.termOnDisk(s.last); err != nil {
		return nil, err
	}
	return s, s.loadVote()
}

// termOnDisk is the term of the entry at index; 0 for index 0.
func (s *Store) termOnDisk(index uint64) (uint64, error) {
	if index == 0 {
		return 0, nil
	}
	var l raft.Log
	if err := s.disk.GetLog(index, &l); err != nil {
		return 0, fmt.Errorf("raft log: entry %d: %w", index, err)
	}
	return l.Term, nil
}

// fail is *no answer after a failed write*.
func (s *Store) fail(what string, err error) error {
	err = fmt.Errorf("raft log: %s: %w", what, err)
	s.once.Do(func() {
		s.mu.Lock()
		s.failed = err
		s.mu.Unlock()
		s.cfg.Logger.Error("the raft log failed; this member answers nothing any more", "error", err)
		if s.cfg.OnFatal != nil {
			go s.cfg.OnFatal(err)
		}
	})
	<-s.released
	return err
}

// begin takes the writer's place; the function it returns gives it back.
func (s *Store) begin() (end func()) {
	s.write.Lock()
	s.began.Store(int64(time.Since(s.born)) + 1)
	return func() {
		s.began.Store(0)
		s.write.Unlock()
	}
}

// Stalled is how long the write under way has taken so far; 0 if there is none.
func (s *Store) Stalled() time.Duration {
	began := s.began.Load()
	if began == 0 {
		return 0
	}
	return time.Since(s.born) - time.Duration(began)
}

// healthy holds the caller if the store has failed.
func (s *Store) healthy() error {
	if err := s.Err(); err != nil {
		<-s.released
		return err
	}
	return nil
}

// Err is the failure that ended the store's life; nil while it works.
func (s *Store) Err() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.failed
}

// Release lets held callers go, with their errors. It is called once nothing
// that they could say reaches anybody.
func (s *Store) Release() { s.release.Do(func() { close(s.released) }) }

// Close closes the file.
func (s *Store) Close() error {
	s.Release()
	return s.disk.Close()
}

// Inject has before called at the begin of every later write, which fails with
// its error, as on a broken disk, or waits as long as it does, as on a stalled
// one. It is for rehearsing that, in tests and on a cluster that may be lost.
func (s *Store) Inject(before func() error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.disk = broken{s.disk, before}
}

// broken is a disk whose writes somebody has a say in.
type broken struct {
	disk
	before func() error
}

func (b broken) StoreLogs(l []*raft.Log) error {
	if err := b.before(); err != nil {
		return err
	}
	return b.disk.StoreLogs(l)
}

func (b broken) DeleteRange(low, high uint64) error {
	if err := b.before(); err != nil {
		return err
	}
	return b.disk.DeleteRange(low, high)
}

func (b broken) Set(k, v []byte) error {
	if err := b.before(); err != nil {
		return err
	}
	return b.disk.Set(k, v)
}
