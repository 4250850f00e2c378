package snapshots

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/bundle"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Keep is how many snapshots stay on disk.
const Keep = 2

// scratchPrefix begins the name of what is unfinished.
const scratchPrefix = "tmp-"

// Config is what Open needs.
type Config struct {
	// Dir is the snapshots' own folder; it is made if there is none.
	Dir string
	// Cluster is whose snapshots are made and received.
	Cluster func() protocol.ID
	// Covered is told of each durable snapshot whose entries the state has: the
	// log may let go of them. A received one covers nothing before its restore.
	Covered func(index, term uint64)
	// Now is the wall clock, for people; nil: the machine's.
	Now func() time.Time
}

// Store is raft's SnapshotStore over checkpoints. It is safe for concurrent use.
type Store struct {
	cfg Config

	mu      sync.Mutex
	known   []Snapshot // newest first
	readers map[string]int
	serial  int
}

var _ raft.SnapshotStore = (*Store)(nil)

// Open lists what is there and removes what is unfinished. A folder without a
// readable meta.json is an error: it was complete once.
func Open(cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	dir := cfg.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, readers: map[string]int{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), scratchPrefix) {
			if err := os.RemoveAll(path); err != nil {
				return nil, err
			}
			continue
		}
		one, err := readMeta(path)
		if err != nil {
			return nil, err
		}
		s.known = append(s.known, one)
	}
	s.sort()
	return s, nil
}

// sort puts the newest first; ids order the rest.
func (s *Store) sort() {
	slices.SortFunc(s.known, func(a, b Snapshot) int {
		switch {
		case a.Index != b.Index:
			return -compare(a.Index, b.Index)
		case a.Term != b.Term:
			return -compare(a.Term, b.Term)
		default:
			return -strings.Compare(a.ID, b.ID)
		}
	})
}

func compare(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1
}

// Newest returns the newest snapshot, if there is one.
func (s *Store) Newest() (Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) == 0 {
		return Snapshot{}, false
	}
	return s.known[0], true
}

// Find returns the newest snapshot of exactly this entry.
func (s *Store) Find(index, term uint64) (Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.known {
		if one.Index == index && one.Term == term {
			return one, true
		}
	}
	return Snapshot{}, false
}

// List returns every snapshot, newest first.
func (s *Store) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*raft.SnapshotMeta, len(s.known))
	for i, one := range s.known {
		out[i] = one.meta()
	}
	return out, nil
}

// Open streams a snapshot, and keeps it on disk until the reader is closed.
func (s *Store) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.known {
		if one.ID == id {
			s.readers[id]++
			return one.meta(), s.stream(one), nil
		}
	}
	return nil, nil, protocol.Errorf(protocol.NotFound, "no snapshot %q", id)
}

func (s *Store) stream(one Snapshot) io.ReadCloser {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(bundle.Write(w, one.Checkpoint(), one.header()))
	}()
	return &streaming{PipeReader: r, done: done, end: func() { s.release(one.ID) }}
}

func (s *Store) release(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers[id]--; s.readers[id] == 0 {
		delete(s.readers, id)
	}
	s.reap()
}

// streaming is the reading end; its Close waits for the writing end.
type streaming struct {
	*io.PipeReader
	done chan struct{}
	once sync.Once
	end  func()
}

// Close stops the stream; it is idempotent.
func (r *streaming) Close() error {
	err := r.PipeReader.Close()
	<-r.done
	r.once.Do(r.end)
	return err
}

// Scratch makes an empty folder's name that nobody else uses.
func (s *Store) Scratch() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("%s%d", scratchPrefix, s.serial))
}

// add makes a finished scratch folder a snapshot: the rename is the commit point.
func (s *Store) add(scratch string, one Snapshot) (Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.ID = fmt.Sprintf("%016d-%010d-%04d", one.Index, one.Term, s.again(one.Index, one.Term))
	one.dir = filepath.Join(s.cfg.Dir, one.ID)
	b, err := json.MarshalIndent(one, "", "  ")
	if err != nil {
		return one, err
	}
	if err := bundle.WriteFile(scratch, "meta.json", append(b, '\n')); err != nil {
		return one, err
	}
	if err := errors.Join(os.Rename(scratch, one.dir), bundle.SyncDir(s.cfg.Dir)); err != nil {
		return one, err
	}
	s.known = append(s.known, one)
	s.sort()
	s.reap()
	return one, nil
}

// again counts the snapshots of one entry: the newest is always kept, so that a
// number does not come again.
func (s *Store) again(index, term uint64) (n int) {
	for _, one := range s.known {
		if one.Index == index && one.Term == term {
			had := 0
			_, _ = fmt.Sscanf(one.ID[strings.LastIndexByte(one.ID, '-')+1:], "%d", &had)
			n = max(n, had+1)
		}
	}
	return n
}

// reap removes the oldest snapshots above Keep that nobody reads. The
// rename first makes a half-removed one look unfinished to the next start.
func (s *Store) reap() {
	for i := len(s.known) - 1; i >= Keep; i-- {
		one := s.known[i]
		if s.readers[one.ID] > 0 {
			continue
		}
		s.known = slices.Delete(s.known, i, i+1)
		s.serial++
		dead := filepath.Join(s.cfg.Dir, fmt.Sprintf("%s%d", scratchPrefix, s.serial))
		if os.Rename(one.dir, dead) == nil {
			_ = os.RemoveAll(dead)
		}
	}
}

// Create begins a snapshot: raft's own, to which a checkpoint is handed, or a
// leader's, whose stream is written.
func (s *Store) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration,
	configurationIndex uint64, _ raft.Transport,
) (raft.SnapshotSink, error) {
	if version != 1 {
		return nil, protocol.Errorf(protocol.Unsupported, "snapshot: raft's version %d", version)
	}
	dir := s.Scratch()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return &Sink{store: s, dir: dir, one: Snapshot{
		Format: format, Cluster: s.cfg.Cluster(), Index: index, Term: term,
		Servers: serversOf(c), ConfigurationIndex: configurationIndex, TakenUnixMS: s.cfg.Now().UnixMilli(),
	}}, nil
}
