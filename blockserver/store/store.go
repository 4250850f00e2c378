package store

import (
	"context"
	"log/slog"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Config says where a Store lives.
type Config struct {
	// Dirs are the node's disks, one folder each: 1 to protocol.MaxDisks.
	Dirs []Dir
	// Logger may be nil.
	Logger *slog.Logger
	// Cluster, if set and not answering the zero ID, is the cluster that the
	// markers must name; another is WrongCluster.
	Cluster func() protocol.ID
}

// Dir is one disk.
type Dir struct {
	// Path is the folder that holds data/, tmp/ and quarantine/.
	Path string
	// FS replaces the real file system at Path; nil means the real one.
	FS durable.FS
	// Capacity bounds the bytes of all block files; 0 leaves it to the file system.
	Capacity uint64
}

// Store is the blocks of one node. All methods are safe for concurrent use.
type Store struct{}

// State says how an inventory item stands.
type State uint8

// The states of a copy.
const (
	// Good: the header reads well. The bytes are verified when it matters.
	Good State = 1
	// Quarantined: found bad and set aside.
	Quarantined State = 2
	// Unreadable: the file is there and its header could not be read.
	Unreadable State = 3
)

// String returns the state's name in inventories.
func (s State) String() string {
	switch s {
	case Good:
		return "good"
	case Quarantined:
		return "quarantined"
	default:
		return "unreadable"
	}
}

// Info describes one copy.
type Info struct {
	Hash    protocol.Hash
	Version protocol.Version
	// PlainSize and StoredSize are bytes, the latter without the file's header.
	PlainSize, StoredSize uint32
	// Disk is the number that Register gave to the disk.
	Disk  uint32
	State State
}

// DiskState describes one disk.
type DiskState struct {
	ID protocol.ID
	// Number is the disk's number in claims, valid after Adopt.
	Number uint32
	Path   string
	// Acks is the durable count of acknowledgements.
	Acks uint64
	// Capacity, Used and Free are bytes.
	Capacity, Used, Free uint64
	// Blocks and Quarantined count files.
	Blocks, Quarantined uint64
	// Failure is nil while the disk works, else what made it suspect.
	Failure error
}

// PutRequest is a block to store.
type PutRequest struct {
	Hash    protocol.Hash
	Version protocol.Version
	// Body is the plain bytes, or zstd frames if Zstd is set. Put does not keep it.
	Body []byte
	Zstd bool
	// PlainSize is the declared length of the plain bytes; -1 if unknown, which
	// bounds it by protocol.MaxBlockSize.
	PlainSize int
}

// Deleted is the answer to Delete(h, t): none below t is left; if Kept, a file
// at Version >= t is there.
type Deleted struct {
	Kept    bool
	Version protocol.Version
}

// Open opens the disks; see Config. It formats an empty folder.
func Open(cfg Config) (*Store, error) { return nil, notYet() }

// Identity returns the node's 128 random bits, the same in every disk's marker.
func (s *Store) Identity() protocol.ID { return protocol.ID{} }

// Cluster returns the cluster that the markers name; zero until the first Adopt.
func (s *Store) Cluster() protocol.ID { return protocol.ID{} }

// Adopt takes what Register answered; nothing is acknowledged before.
// diskNumbers[i] belongs to Disks()[i].
func (s *Store) Adopt(cluster protocol.ID, node protocol.NodeID, incarnation protocol.Incarnation, diskNumbers []uint32) error {
	return notYet()
}

// Disks describes the disks, in the order of Config.Dirs.
func (s *Store) Disks() []DiskState { return nil }

// HighestSeen returns the highest version that any disk has met.
func (s *Store) HighestSeen() protocol.Version { return protocol.Version{} }

// Put stores a block and acknowledges it.
func (s *Store) Put(ctx context.Context, r PutRequest) (protocol.Claim, error) {
	return protocol.Claim{}, notYet()
}

// Touch raises a present copy to v and acknowledges it.
func (s *Store) Touch(ctx context.Context, h protocol.Hash, v protocol.Version) (protocol.Claim, error) {
	return protocol.Claim{}, notYet()
}

// Stat reads a copy's header.
func (s *Store) Stat(h protocol.Hash) (Info, error) { return Info{}, notYet() }

// Get opens a copy for reading.
func (s *Store) Get(ctx context.Context, h protocol.Hash) (*Block, error) { return nil, notYet() }

// Block is a copy opened for reading. It is not safe for concurrent use.
type Block struct{ Info Info }

// Stored appends the zstd frames to dst.
func (b *Block) Stored(dst []byte) ([]byte, error) { return nil, notYet() }

// Plain appends the plain bytes, verified against the hash, to dst.
func (b *Block) Plain(dst []byte) ([]byte, error) { return nil, notYet() }

// Close releases the file.
func (b *Block) Close() error { return nil }

// Delete removes the file if its version is below.
func (s *Store) Delete(ctx context.Context, h protocol.Hash, below protocol.Version) (Deleted, error) {
	return Deleted{}, notYet()
}

// List returns up to limit copies with hashes above after, in hash order. If
// more is true, next is the after of the next page.
func (s *Store) List(ctx context.Context, after protocol.Hash, limit int) (items []Info, next protocol.Hash, more bool, err error) {
	return nil, protocol.Hash{}, false, notYet()
}

// Verify reads a copy and checks its bytes against the hash.
func (s *Store) Verify(ctx context.Context, h protocol.Hash) (Info, error) { return Info{}, notYet() }

// Quarantine sets a copy aside.
func (s *Store) Quarantine(h protocol.Hash) error { return notYet() }

// Close ends the store.
func (s *Store) Close() error { return nil }

func notYet() error { return protocol.Errorf(protocol.Unavailable, "the store is being built") }
