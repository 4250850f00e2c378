package bundle

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const bufferSize = 256 << 10

// Write streams dir, whose files must not change meanwhile.
func Write(w io.Writer, dir string, h Header) error {
	files, err := list(dir)
	if err != nil {
		return err
	}
	h.files = uint32(len(files))
	out := &hashed{w: bufio.NewWriterSize(w, bufferSize), all: protocol.NewHasher()}
	if err := out.put(h.append(nil)); err != nil {
		return err
	}
	for _, f := range files {
		if err := out.file(dir, f); err != nil {
			return err
		}
	}
	if err := out.put([]byte(trailerMagic)); err != nil {
		return err
	}
	if _, err := out.w.Write(sumOf(out.all)); err != nil {
		return err
	}
	return out.w.Flush()
}

// hashed writes and hashes at once.
type hashed struct {
	w   *bufio.Writer
	all *protocol.Hasher
	one *protocol.Hasher
}

func (o *hashed) Write(p []byte) (int, error) { return len(p), o.put(p) }

func (o *hashed) put(p []byte) error {
	_, _ = o.all.Write(p)
	if o.one != nil {
		_, _ = o.one.Write(p)
	}
	_, err := o.w.Write(p)
	return err
}

func (o *hashed) file(dir string, f file) error {
	in, err := os.Open(filepath.Join(dir, f.name))
	if err != nil {
		return err
	}
	defer in.Close()
	o.one = protocol.NewHasher()
	fields := binary.BigEndian.AppendUint16(nil, uint16(len(f.name)))
	fields = binary.BigEndian.AppendUint64(fields, uint64(f.size))
	if err := o.put(append(fields, f.name...)); err != nil {
		return err
	}
	n, err := io.CopyBuffer(o, io.LimitReader(in, f.size), make([]byte, bufferSize))
	if err != nil {
		return err
	}
	if n != f.size {
		return corrupt("%q changed while it was read", f.name)
	}
	sum := sumOf(o.one)
	o.one = nil
	return o.put(sum)
}
