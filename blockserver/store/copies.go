package store

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

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

// copyOf is one disk's file for a hash, or the reason why it cannot be told.
type copyOf struct {
	disk *disk
	head blockfile.Header
	// err is nil; Corrupt if the header is bad; or Disk or Unsupported, and then
	// nothing is known.
	err error
}

func (c *copyOf) info(h protocol.Hash) Info {
	return Info{
		Hash: h, Version: c.head.Version(), PlainSize: c.head.PlainSize, StoredSize: c.head.StoredSize,
		Disk: c.disk.number.Load(), State: Good,
	}
}

// locate finds every copy of h, the usable ones with the highest version first.
// A disk where h is absent (ENOENT, nothing else) contributes nothing.
func (s *Store) locate(h protocol.Hash) []copyOf {
	var copies []copyOf
	for _, d := range s.disks {
		file, head, err := d.openBlock(h, false)
		if durable.IsAbsent(err) {
			continue
		}
		if err == nil {
			// Closing what was only read cannot lose anything.
			_ = file.Close()
		}
		copies = append(copies, copyOf{disk: d, head: head, err: err})
	}
	if len(copies) > 1 {
		slices.SortStableFunc(copies, func(a, b copyOf) int { return b.rank().Compare(a.rank()) })
	}
	return copies
}

// rank sorts copies; one that cannot be read comes last.
func (c *copyOf) rank() protocol.Version {
	if c.err != nil {
		return protocol.Version{}
	}
	return c.head.Version()
}

// openBlock opens h's file and reads its header. An error that IsAbsent means
// ENOENT; others are Corrupt, Unsupported or Disk.
func (d *disk) openBlock(h protocol.Hash, update bool) (durable.File, blockfile.Header, error) {
	open := d.fs.Open
	if update {
		open = d.fs.OpenUpdate
	}
	file, err := open(blockName(h))
	if err != nil {
		if durable.IsAbsent(err) {
			return nil, blockfile.Header{}, err
		}
		return nil, blockfile.Header{}, d.trouble("open", err)
	}
	var b [blockfile.HeaderSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, blockfile.Header{}, errors.Join(d.trouble("read", err), file.Close())
	}
	head, err := blockfile.Parse(b[:n])
	if err == nil && head.Cluster != d.cluster() {
		err = protocol.Errorf(protocol.Corrupt, "the file belongs to cluster %s", head.Cluster)
	}
	if err != nil {
		return nil, blockfile.Header{}, errors.Join(err, file.Close())
	}
	return file, head, nil
}

// readStored appends the frames of an open block to dst. A file that is shorter
// than its header says is Corrupt.
func (d *disk) readStored(file durable.File, head blockfile.Header, dst []byte) ([]byte, error) {
	begin, size := len(dst), int(head.StoredSize)
	dst = slices.Grow(dst, size)[:begin+size]
	_, err := file.ReadAt(dst[begin:], blockfile.HeaderSize)
	switch {
	case errors.Is(err, io.EOF):
		return dst[:begin], protocol.Errorf(protocol.Corrupt, "the file is shorter than its header says")
	case err != nil:
		return dst[:begin], d.trouble("read", err)
	}
	return dst, nil
}

// verify reads h's file on d and checks everything about it. A bad file is
// Corrupt, an unreadable one Disk.
func (s *Store) verify(ctx context.Context, d *disk, h protocol.Hash) error {
	file, head, err := d.openBlock(h, false)
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return d.trouble("stat", err)
	}
	if size != int64(blockfile.HeaderSize)+int64(head.StoredSize) {
		return protocol.Errorf(protocol.Corrupt, "the file has %d bytes; its header says %d", size, blockfile.HeaderSize+int64(head.StoredSize))
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if *buf, err = d.readStored(file, head, *buf); err != nil {
		return err
	}
	codec, err := s.codecs.get(ctx)
	if err != nil {
		return err
	}
	defer s.codecs.put(codec)
	return codec.Check(h, *buf, head.PlainSize)
}
