// Package store keeps a node's blocks: one zstd file per hash, on one or more
// disks, each under the name of its plain bytes' hash and with the version it was
// last stored or touched at in its header (package blockfile).
//
// A Put verifies the bytes, writes them under a temporary name, syncs them, gives
// them their name, and syncs that. Then it waits for the disk's committer, which
// counts the acknowledgements of all who wait in one durable write, and answers. A
// Touch verifies
// the file instead and rewrites the older of its two version slots. Delete, the
// other way, removes a file if and only if its version is below the order's. What
// turns out bad is moved to quarantine/, durably, before anybody is told.
//
// Under each disk's folder:
//
//	data/ashlar-disk.json        the marker: cluster, node, identity, disk
//	data/ashlar-acks             the count of acknowledgements, two slots
//	data/ashlar-lock             held while a process has the disk
//	data/ab/cd/<64 digits>       a block, by the first two bytes of its hash
//	tmp/                         files without a name yet; emptied at Open
//	quarantine/<64 digits>-<version>
//
// Invariants, by name (reclamation.md, Rules of a block server):
//   - Version only grows: a hash present at u₀ is at max(u₀, u) after a store or
//     touch at u, across torn writes, moves to another disk, and quarantine.
//   - Verified before acknowledged: by the operation itself or since this start.
//   - Durable before acknowledged: the bytes, then the name, then the count.
//   - Delete below: a file goes if and only if its version is below the order's.
//   - Bad is absent first: quarantine is durable before it is reported.
//   - Absent is ENOENT: any other error is Disk, and means that nothing is known.
//   - A failed sync is final: the disk acknowledges nothing more in this start.
//   - Full takes nothing new: from its high mark until below its low one a disk
//     refuses new blocks; touches and deletes need no room and always work.
//   - One lock per hash: checking and acting are one step. Incoming bytes are
//     verified outside it.
package store

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Config says where a Store lives.
type Config struct {
	// Dirs are the node's disks, one folder each: 1 to protocol.MaxDisks.
	Dirs []Dir
	// Logger may be nil.
	Logger *slog.Logger
	// Cluster, if set and not answering the zero ID, is the cluster that markers
	// which name one must name; another is WrongCluster.
	Cluster func() protocol.ID
	// Forget lists disks of this node that will not come back, so that it may
	// start without them.
	Forget []protocol.ID
	// Marks bound how full the disks may become.
	Marks Marks
	// Random makes ids; nil is crypto/rand.
	Random io.Reader
}

// Dir is one disk.
type Dir struct {
	// Path is the folder that holds data/, tmp/ and quarantine/; it is made if it
	// is absent.
	Path string
	// FS replaces the real file system at Path; nil means the real one. The store
	// does not close it.
	FS durable.FS
	// Capacity bounds the bytes of all block files; 0 leaves it to the file system.
	Capacity uint64
}

// Store is the blocks of one node. All methods are safe for concurrent use.
type Store struct {
	log      *slog.Logger
	identity protocol.ID
	disks    []*disk
	marks    Marks
	locks    *locks
	sound    *sound
	codecs   *codecs

	// admission is nil until Adopt, and after Dismiss.
	admission atomic.Pointer[admission]
	adopting  sync.Mutex

	// gate is held shared by every operation, and exclusively by Close.
	gate   sync.RWMutex
	closed bool
}

// admission is what Register answered.
type admission struct {
	cluster     protocol.ID
	node        protocol.NodeID
	incarnation protocol.Incarnation
	// under is held shared by every operation that acknowledges by this admission,
	// and for good once it is dismissed.
	under sync.RWMutex
}

// enter begins an operation that acknowledges; the caller must call exit with the
// admission if the error is nil.
func (s *Store) enter(ctx context.Context) (*admission, error) {
	if err := s.enterReading(ctx); err != nil {
		return nil, err
	}
	adm := s.admission.Load()
	if adm == nil || !adm.under.TryRLock() {
		s.leave()
		return nil, protocol.Errorf(protocol.NotRegistered, "this node has not been admitted in this start")
	}
	return adm, nil
}

// exit ends what enter began.
func (s *Store) exit(adm *admission) {
	adm.under.RUnlock()
	s.leave()
}

func (s *Store) enterReading(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return canceled(err)
	}
	s.gate.RLock()
	if s.closed {
		s.gate.RUnlock()
		return protocol.Errorf(protocol.Unavailable, "the store is closed")
	}
	return nil
}

func (s *Store) leave() { s.gate.RUnlock() }

// Identity returns the node's 128 random bits, the same in every disk's marker.
func (s *Store) Identity() protocol.ID { return s.identity }

// HighestSeen returns the highest version that any disk has met: at least that
// of every file kept and every acknowledgement made, also after a crash.
func (s *Store) HighestSeen() protocol.Version {
	var v protocol.Version
	for _, d := range s.disks {
		v = v.Max(d.highest())
	}
	return v
}

// DiskState describes one disk.
type DiskState struct {
	ID protocol.ID
	// Number is the disk's number in claims, valid after Adopt.
	Number uint32
	Path   string
	// Acks is the durable count of acknowledgements.
	Acks uint64
	// Capacity, Used and Free are bytes; Used is that of all block files.
	Capacity, Used, Free uint64
	// Blocks and Quarantined count files.
	Blocks, Quarantined uint64
	// Full: it takes no new block from a client (Marks).
	Full bool
	// Failure is nil while the disk works, else what made it suspect.
	Failure error
}

// Disks describes the disks, in the order of Config.Dirs.
func (s *Store) Disks() []DiskState {
	states := make([]DiskState, len(s.disks))
	for i, d := range s.disks {
		states[i] = d.state()
	}
	return states
}

// Close lets running operations end, refuses new ones, and releases the disks.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, d := range s.disks {
		errs = append(errs, d.close())
	}
	s.codecs.close()
	return errors.Join(errs...)
}

func (cfg *Config) random() io.Reader {
	if cfg.Random != nil {
		return cfg.Random
	}
	return rand.Reader
}

func canceled(err error) error {
	return protocol.Errorf(protocol.Canceled, "the caller gave up: %w", err)
}
