package bundle

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	headerMagic  = "ASHS"
	trailerMagic = "ASHE"
	streamFormat = 1

	// HeaderSize is the length of the header in bytes.
	HeaderSize = 4 + 2 + 2 + 16 + 4*8 + 4 + 4
	fieldsSize = 2 + 8
	hashSize   = protocol.HashSize
	// MaxFiles bounds the files of one stream, MaxName the bytes of a name.
	MaxFiles = 1 << 20
	MaxName  = 255
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header says what a stream holds.
type Header struct {
	Cluster protocol.ID
	// Index and Term are those of the last log entry that the snapshot covers.
	Index, Term uint64
	// StateIndex and StateTerm are those of the last entry that the state inside
	// has applied: at most Index, for the log also holds entries that are raft's
	// own.
	StateIndex, StateTerm uint64
	files                 uint32
}

func (h Header) append(b []byte) []byte {
	start := len(b)
	b = append(b, headerMagic...)
	b = binary.BigEndian.AppendUint16(b, streamFormat)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = append(b, h.Cluster[:]...)
	for _, v := range []uint64{h.Index, h.Term, h.StateIndex, h.StateTerm} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = binary.BigEndian.AppendUint32(b, h.files)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func corrupt(format string, args ...any) error {
	return protocol.Errorf(protocol.Corrupt, "snapshot stream: "+format, args...)
}

// ReadHeader reads a stream's first HeaderSize bytes: Corrupt if they are not a
// header, Unsupported for another format.
func ReadHeader(r io.Reader) (Header, error) {
	var b [HeaderSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return Header{}, corrupt("header: %w", err)
	}
	if string(b[:4]) != headerMagic || binary.BigEndian.Uint32(b[HeaderSize-4:]) != crc32.Checksum(b[:HeaderSize-4], castagnoli) {
		return Header{}, corrupt("not a header")
	}
	if f := binary.BigEndian.Uint16(b[4:]); f != streamFormat || b[6] != 0 || b[7] != 0 {
		return Header{}, protocol.Errorf(protocol.Unsupported, "snapshot stream: format %d, this is %d", f, streamFormat)
	}
	h := Header{
		Cluster:    protocol.ID(b[8:24]),
		Index:      binary.BigEndian.Uint64(b[24:]),
		Term:       binary.BigEndian.Uint64(b[32:]),
		StateIndex: binary.BigEndian.Uint64(b[40:]),
		StateTerm:  binary.BigEndian.Uint64(b[48:]),
		files:      binary.BigEndian.Uint32(b[56:]),
	}
	if h.files > MaxFiles || h.StateIndex > h.Index {
		return Header{}, corrupt("impossible header")
	}
	return h, nil
}

// checkName is *inside*.
func checkName(name string) error {
	ok := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '-' || c == '_'
	}
	if name == "" || len(name) > MaxName || name[0] == '.' {
		return corrupt("bad file name %q", name)
	}
	for i := range len(name) {
		if !ok(name[i]) {
			return corrupt("bad file name %q", name)
		}
	}
	return nil
}

// file is one name with its size.
type file struct {
	name string
	size int64
}

// list is what a stream of dir will hold, in its order.
func list(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make([]file, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, corrupt("%q is not a plain file", e.Name())
		}
		if err := checkName(e.Name()); err != nil {
			return nil, err
		}
		files = append(files, file{e.Name(), info.Size()})
	}
	slices.SortFunc(files, func(a, b file) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return files, nil
}

// Size is the exact length of dir's stream in bytes (*known length*).
func Size(dir string) (int64, error) {
	files, err := list(dir)
	if err != nil {
		return 0, err
	}
	total := int64(HeaderSize + len(trailerMagic) + hashSize)
	for _, f := range files {
		total += fieldsSize + int64(len(f.name)) + f.size + hashSize
	}
	return total, nil
}

func sumOf(h *protocol.Hasher) []byte {
	sum := h.Sum()
	return sum[:]
}
