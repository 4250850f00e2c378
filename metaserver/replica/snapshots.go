package replica

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

// snapshotFormat is the layout of meta.json.
const snapshotFormat = 1

// snapshot is meta.json, and what raft is told of it.
type snapshot struct {
	Format  int         `json:"format"`
	ID      string      `json:"id"`
	Cluster protocol.ID `json:"cluster"`
	// Index and Term are raft's: entries of its own may end the snapshot.
	// StateIndex and StateTerm are the last entry that the state has applied.
	Index      uint64 `json:"index"`
	Term       uint64 `json:"term"`
	StateIndex uint64 `json:"state_index"`
	StateTerm  uint64 `json:"state_term"`
	// Size is the stream's length in bytes.
	Size               int64            `json:"size"`
	Servers            []snapshotServer `json:"servers"`
	ConfigurationIndex uint64           `json:"configuration_index"`
	TakenUnixMS        int64            `json:"taken_unix_ms"`
	dir                string
}

type snapshotServer struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Voter   bool   `json:"voter"`
}

func (s snapshot) checkpoint() string { return filepath.Join(s.dir, "checkpoint") }

func (s snapshot) header() bundle.Header {
	return bundle.Header{Cluster: s.Cluster, Index: s.Index, Term: s.Term, StateIndex: s.StateIndex, StateTerm: s.StateTerm}
}

func (s snapshot) meta() *raft.SnapshotMeta {
	m := &raft.SnapshotMeta{
		Version: 1, ID: s.ID, Index: s.Index, Term: s.Term,
		ConfigurationIndex: s.ConfigurationIndex, Size: s.Size,
	}
	for _, x := range s.Servers {
		server := raft.Server{ID: raft.ServerID(x.ID), Address: raft.ServerAddress(x.Address), Suffrage: raft.Nonvoter}
		if x.Voter {
			server.Suffrage = raft.Voter
		}
		m.Configuration.Servers = append(m.Configuration.Servers, server)
	}
	return m
}

func serversOf(c raft.Configuration) []snapshotServer {
	out := make([]snapshotServer, len(c.Servers))
	for i, s := range c.Servers {
		out[i] = snapshotServer{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter}
	}
	return out
}

// snapshots is raft's SnapshotStore over checkpoints.
type snapshots struct {
	dir     string
	cluster func() protocol.ID
	// taken is told of each snapshot that has become durable.
	taken func(index, term uint64)

	mu      sync.Mutex
	known   []snapshot // newest first
	readers map[string]int
	serial  int
}

var _ raft.SnapshotStore = (*snapshots)(nil)

// openSnapshots lists what is there and removes what is unfinished. A folder
// without a readable meta.json is an error: it was complete once.
func openSnapshots(dir string, cluster func() protocol.ID) (*snapshots, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &snapshots{dir: dir, cluster: cluster, readers: map[string]int{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), scratchStart) {
			if err := os.RemoveAll(path); err != nil {
				return nil, err
			}
			continue
		}
		one, err := readSnapshot(path)
		if err != nil {
			return nil, err
		}
		s.known = append(s.known, one)
	}
	s.sort()
	return s, nil
}

func readSnapshot(dir string) (snapshot, error) {
	b, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	one, err := parseSnapshot(b)
	if err != nil || one.ID != filepath.Base(dir) {
		return snapshot{}, protocol.Errorf(protocol.Corrupt, "snapshot %s: broken meta.json: %v", filepath.Base(dir), err)
	}
	one.dir = dir
	return one, nil
}

func parseSnapshot(b []byte) (snapshot, error) {
	var one snapshot
	if err := json.Unmarshal(b, &one); err != nil {
		return snapshot{}, err
	}
	if one.Format != snapshotFormat {
		return snapshot{}, fmt.Errorf("format %d, this is %d", one.Format, snapshotFormat)
	}
	return one, nil
}

// sort puts the newest first; ids order the rest.
func (s *snapshots) sort() {
	slices.SortFunc(s.known, func(a, b snapshot) int {
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

// newest returns the newest snapshot, if there is one.
func (s *snapshots) newest() (snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) == 0 {
		return snapshot{}, false
	}
	return s.known[0], true
}

// find returns the newest snapshot of exactly this entry.
func (s *snapshots) find(index, term uint64) (snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.known {
		if one.Index == index && one.Term == term {
			return one, true
		}
	}
	return snapshot{}, false
}

// List returns every snapshot, newest first.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*raft.SnapshotMeta, len(s.known))
	for i, one := range s.known {
		out[i] = one.meta()
	}
	return out, nil
}

// Open streams a snapshot, and keeps it on disk until the reader is closed.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
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

func (s *snapshots) stream(one snapshot) io.ReadCloser {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(bundle.Write(w, one.checkpoint(), one.header()))
	}()
	return &streaming{PipeReader: r, done: done, end: func() { s.release(one.ID) }}
}

func (s *snapshots) release(id string) {
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

// scratch makes an empty folder's name that nobody else uses.
func (s *snapshots) scratch() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return filepath.Join(s.dir, fmt.Sprintf("%s%d", scratchStart, s.serial))
}

// add makes a finished scratch folder a snapshot: the rename is the commit point.
func (s *snapshots) add(scratch string, one snapshot) (snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 0; one.ID == "" || s.exists(one.ID); n++ {
		one.ID = fmt.Sprintf("%016d-%010d-%04d", one.Index, one.Term, n)
	}
	one.dir = filepath.Join(s.dir, one.ID)
	b, err := json.MarshalIndent(one, "", "  ")
	if err != nil {
		return one, err
	}
	if err := writeFile(scratch, "meta.json", append(b, '\n')); err != nil {
		return one, err
	}
	if err := errors.Join(os.Rename(scratch, one.dir), bundle.SyncDir(s.dir)); err != nil {
		return one, err
	}
	s.known = append(s.known, one)
	s.sort()
	s.reap()
	return one, nil
}

func (s *snapshots) exists(id string) bool {
	_, err := os.Stat(filepath.Join(s.dir, id))
	return !errors.Is(err, os.ErrNotExist)
}

// reap removes the oldest snapshots above KeepSnapshots that nobody reads. The
// rename first makes a half-removed one look unfinished to the next start.
func (s *snapshots) reap() {
	for i := len(s.known) - 1; i >= KeepSnapshots; i-- {
		one := s.known[i]
		if s.readers[one.ID] > 0 {
			continue
		}
		s.known = slices.Delete(s.known, i, i+1)
		s.serial++
		dead := filepath.Join(s.dir, fmt.Sprintf("%s%d", scratchStart, s.serial))
		if os.Rename(one.dir, dead) == nil {
			_ = os.RemoveAll(dead)
		}
	}
}

// Create begins a snapshot: raft's own, to which a checkpoint is handed, or a
// leader's, whose stream is written.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration,
	configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	if version != 1 {
		return nil, protocol.Errorf(protocol.Unsupported, "snapshot: raft's version %d", version)
	}
	dir := s.scratch()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return &sink{store: s, dir: dir, one: snapshot{
		Format: snapshotFormat, Cluster: s.cluster(), Index: index, Term: term,
		Servers: serversOf(c), ConfigurationIndex: configurationIndex, TakenUnixMS: time.Now().UnixMilli(),
	}}, nil
}
