package store

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	dirData       = "data"
	dirTmp        = "tmp"
	dirQuarantine = "quarantine"
	nameMarker    = dirData + "/ashlar-disk.json"
	nameAcks      = dirData + "/ashlar-acks"
	nameLock      = dirData + "/ashlar-lock"
	nameMarkerTmp = dirTmp + "/marker"
	nameAcksTmp   = dirTmp + "/acks"
)

// disk is one folder of blocks.
type disk struct {
	log      *slog.Logger
	path     string
	fs       durable.FS
	ownsFS   bool
	lock     io.Closer
	capacity uint64
	marks    Marks
	// full is set from above the high mark until below the low one, for each
	// purpose.
	full   [2]atomic.Bool
	number atomic.Uint32
	acks   *acks

	// failure is what made the disk suspect; it never becomes nil again.
	failure atomic.Pointer[protocol.Error]

	mu     sync.Mutex
	marker marker
	// quarantined is the highest version that each bad copy had.
	quarantined map[protocol.Hash]protocol.Version
	// leaves[p] is set once the directory of the hashes with the first two bytes
	// p is known to be durable.
	leaves [1 << 16]bool

	// used, reserved and blocks describe the block files; bytes.
	used, reserved, blocks atomic.Int64
	tmpNumber              atomic.Uint64
}

// topName is the directory of all hashes with the first byte of h, leafName that
// of the first two, blockName the file.
func topName(h protocol.Hash) string { return dirData + "/" + hex.EncodeToString(h[:1]) }

func leafName(h protocol.Hash) string { return topName(h) + "/" + hex.EncodeToString(h[1:2]) }

func blockName(h protocol.Hash) string { return leafName(h) + "/" + h.String() }

// leafOf numbers the directory of h.
func leafOf(h protocol.Hash) uint16 { return binary.BigEndian.Uint16(h[:2]) }

func (d *disk) tmpName() string {
	return dirTmp + "/" + strconv.FormatUint(d.tmpNumber.Add(1), 10)
}

func (d *disk) cluster() protocol.ID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.marker.Cluster
}

func (d *disk) highest() protocol.Version { return d.acks.highest() }

// trouble dresses an error of a verb that changed nothing, or whose change will
// never be relied on: Full, or Disk.
func (d *disk) trouble(verb string, err error) error {
	if durable.IsFull(err) {
		return protocol.Errorf(protocol.Full, "no room on %s: %s: %w", d.path, verb, err)
	}
	return protocol.Errorf(protocol.Disk, "%s: %s: %w", d.path, verb, err)
}

// fail marks the disk suspect: it acknowledges nothing more in this start. It
// returns the failure as a Disk error.
func (d *disk) fail(verb string, err error) error {
	failure := protocol.Errorf(protocol.Disk, "%s failed, and acknowledges nothing more until it is looked at: %s: %w", d.path, verb, err)
	if d.failure.CompareAndSwap(nil, failure) {
		d.log.Error("disk failed", "path", d.path, "verb", verb, "err", err)
	}
	return d.failure.Load()
}

// usable returns the disk's failure, if any.
func (d *disk) usable() error {
	if failure := d.failure.Load(); failure != nil {
		return failure
	}
	return nil
}

func (d *disk) state() DiskState {
	st := DiskState{
		Number: d.number.Load(), Path: d.path, Acks: d.acks.durable(),
		Used: uint64(max(d.used.Load(), 0)), Blocks: uint64(max(d.blocks.Load(), 0)), Capacity: d.capacity,
	}
	d.mu.Lock()
	st.ID, st.Quarantined = d.marker.Disk, uint64(len(d.quarantined))
	d.mu.Unlock()
	st.Failure = d.usable()
	space, err := d.fs.Space()
	if err != nil && st.Failure == nil {
		st.Failure = d.trouble("statfs", err)
	}
	if st.Capacity == 0 {
		st.Capacity = space.Total
	}
	st.Free = min(space.Free, st.Capacity-min(st.Used, st.Capacity))
	st.Full = d.takes(forClient, 0) != nil
	return st
}

// close ends the committer, notes a clean end, and lets the disk go.
func (d *disk) close() error {
	var errs []error
	if d.acks != nil {
		errs = append(errs, d.acks.close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	if d.ownsFS {
		errs = append(errs, d.fs.Close())
	}
	return errors.Join(errs...)
}
