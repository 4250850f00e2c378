package blockfile

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// The header is a skippable zstd frame
// (https://www.rfc-editor.org/rfc/rfc8878#name-skippable-frames). The zstd
// format's own two numbers are little endian, ours are big endian:
//
//	offset size
//	     0    4  magic 0x184D2A5A
//	     4    4  bytes of the frame after this field: 68
//	     8    4  "ASHB"
//	    12    2  format: 1
//	    14    2  flags: 0
//	    16   16  slot 0: generation uint32 │ counter uint64 │ CRC32C of those 12 bytes
//	    32   16  slot 1
//	    48    4  plain size
//	    52    4  stored size: the bytes after the header
//	    56   16  cluster id
//	    72    4  CRC32C of bytes 0 to 15 and 48 to 71
//	    76       zstd frames
//
// An empty slot is 16 zero bytes, whose checksum is wrong on purpose. Both slots
// lie in the file's first 512 bytes and are never written together.
const (
	HeaderSize = 76
	SlotSize   = 16

	magic      = 0x184D2A5A
	sign       = "ASHB"
	format     = 1
	slotsBegin = 16
	slotsEnd   = slotsBegin + 2*SlotSize
	crcBegin   = HeaderSize - 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is what a block file says about itself.
type Header struct {
	PlainSize, StoredSize uint32
	Cluster               protocol.ID
	slots                 [2]slot
}

// slot holds a version if it is good; a torn or empty slot is not.
type slot struct {
	version protocol.Version
	good    bool
}

// NewHeader describes a file stored at version v.
func NewHeader(v protocol.Version, plainSize, storedSize uint32, cluster protocol.ID) Header {
	return Header{
		PlainSize: plainSize, StoredSize: storedSize, Cluster: cluster,
		slots: [2]slot{{version: v, good: true}},
	}
}

// Version returns the version that the file is kept at: the higher good slot.
func (h *Header) Version() protocol.Version {
	var v protocol.Version
	for _, s := range h.slots {
		if s.good {
			v = v.Max(s.version)
		}
	}
	return v
}

// Raise sets the version to at least v and returns the one slot that has to be
// written, and where. The slot is the older one or the one that is not good, so
// that the other keeps the version if this write is torn.
func (h *Header) Raise(v protocol.Version) (offset int64, slotBytes [SlotSize]byte) {
	v = v.Max(h.Version())
	i := 0
	if h.slots[0].good && (!h.slots[1].good || h.slots[1].version.Less(h.slots[0].version)) {
		i = 1
	}
	h.slots[i] = slot{version: v, good: true}
	return int64(slotsBegin + i*SlotSize), h.slots[i].encode()
}

// Encode returns the header's bytes.
func (h *Header) Encode() [HeaderSize]byte {
	var b [HeaderSize]byte
	binary.LittleEndian.PutUint32(b[0:], magic)
	binary.LittleEndian.PutUint32(b[4:], HeaderSize-8)
	copy(b[8:], sign)
	binary.BigEndian.PutUint16(b[12:], format)
	for i, s := range h.slots {
		part := s.encode()
		copy(b[slotsBegin+i*SlotSize:], part[:])
	}
	binary.BigEndian.PutUint32(b[48:], h.PlainSize)
	binary.BigEndian.PutUint32(b[52:], h.StoredSize)
	copy(b[56:], h.Cluster[:])
	binary.BigEndian.PutUint32(b[crcBegin:], restSum(&b))
	return b
}

// Parse reads a header. Bytes that are none, or whose checksum is wrong, or
// without a good slot, are Corrupt; a later format is Unsupported and says
// nothing about the file's health.
func Parse(in []byte) (Header, error) {
	if len(in) < HeaderSize {
		return Header{}, protocol.Errorf(protocol.Corrupt, "a block file's header has %d bytes; %d are there", HeaderSize, len(in))
	}
	b := (*[HeaderSize]byte)(in)
	switch {
	case binary.LittleEndian.Uint32(b[0:]) != magic || string(b[8:12]) != sign:
		return Header{}, protocol.Errorf(protocol.Corrupt, "the file does not begin like a block file")
	case binary.BigEndian.Uint32(b[crcBegin:]) != restSum(b):
		return Header{}, protocol.Errorf(protocol.Corrupt, "the header's checksum is wrong")
	case binary.BigEndian.Uint16(b[12:]) != format || binary.BigEndian.Uint16(b[14:]) != 0 ||
		binary.LittleEndian.Uint32(b[4:]) != HeaderSize-8:
		return Header{}, protocol.Errorf(protocol.Unsupported, "block file format %d with flags %#x; this program reads format %d",
			binary.BigEndian.Uint16(b[12:]), binary.BigEndian.Uint16(b[14:]), format)
	}
	h := Header{
		PlainSize:  binary.BigEndian.Uint32(b[48:]),
		StoredSize: binary.BigEndian.Uint32(b[52:]),
		Cluster:    protocol.ID(b[56:72]),
		slots:      [2]slot{decodeSlot(b[slotsBegin : slotsBegin+SlotSize]), decodeSlot(b[slotsBegin+SlotSize : slotsEnd])},
	}
	switch {
	case !h.slots[0].good && !h.slots[1].good:
		return Header{}, protocol.Errorf(protocol.Corrupt, "neither version slot is readable")
	case h.PlainSize > protocol.MaxBlockSize || h.StoredSize > protocol.MaxStoredSize:
		return Header{}, protocol.Errorf(protocol.Corrupt, "sizes %d and %d are above the limits", h.PlainSize, h.StoredSize)
	}
	return h, nil
}

func (s slot) encode() (b [SlotSize]byte) {
	if s.good {
		s.version.AppendBinary(b[:0])
		binary.BigEndian.PutUint32(b[protocol.VersionSize:], crc32.Checksum(b[:protocol.VersionSize], castagnoli))
	}
	return b
}

func decodeSlot(b []byte) slot {
	v, err := protocol.VersionFromBytes(b[:protocol.VersionSize])
	good := err == nil && binary.BigEndian.Uint32(b[protocol.VersionSize:]) == crc32.Checksum(b[:protocol.VersionSize], castagnoli)
	if !good {
		return slot{}
	}
	return slot{version: v, good: true}
}

// restSum is the checksum of all but the slots and itself.
func restSum(b *[HeaderSize]byte) uint32 {
	sum := crc32.Checksum(b[:slotsBegin], castagnoli)
	return crc32.Update(sum, castagnoli, b[slotsEnd:crcBegin])
}
