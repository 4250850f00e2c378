package bundle

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Check looks at a header before anything is written.
type Check func(Header) error

// Read unpacks a stream into dir, which must be an empty folder, and makes it
// durable (*all or error*). It reads to the stream's end, which must follow the
// trailer. On an error dir holds rubbish.
func Read(r io.Reader, dir string, check Check) (Header, error) {
	in := &verified{r: bufio.NewReaderSize(r, bufferSize), all: protocol.NewHasher()}
	h, err := ReadHeader(in)
	if err != nil {
		return Header{}, err
	}
	if err := check(h); err != nil {
		return Header{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Header{}, err
	}
	defer root.Close()
	previous := ""
	for range h.files {
		if previous, err = in.file(root, previous); err != nil {
			return Header{}, err
		}
	}
	if err := in.end(); err != nil {
		return Header{}, err
	}
	return h, SyncDir(dir)
}

// Verify reads a stream to its end, and keeps nothing of it.
func Verify(r io.Reader) (Header, error) {
	in := &verified{r: bufio.NewReaderSize(r, bufferSize), all: protocol.NewHasher()}
	h, err := ReadHeader(in)
	if err != nil {
		return Header{}, err
	}
	for previous := ""; h.files > 0; h.files-- {
		if previous, err = in.file(nil, previous); err != nil {
			return Header{}, err
		}
	}
	return h, in.end()
}

// verified reads and hashes at once.
type verified struct {
	r   *bufio.Reader
	all *protocol.Hasher
	one *protocol.Hasher
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	_, _ = v.all.Write(p[:n])
	if v.one != nil {
		_, _ = v.one.Write(p[:n])
	}
	return n, err
}

func (v *verified) take(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(v, b); err != nil {
		return nil, corrupt("ends early: %w", err)
	}
	return b, nil
}

// file unpacks the next file, where there is a root, and returns its name, which
// comes after previous.
func (v *verified) file(root *os.Root, previous string) (string, error) {
	v.one = protocol.NewHasher()
	fields, err := v.take(fieldsSize)
	if err != nil {
		return "", err
	}
	length, size := binary.BigEndian.Uint16(fields), binary.BigEndian.Uint64(fields[2:])
	if length > MaxName || size > 1<<62 {
		return "", corrupt("impossible file")
	}
	b, err := v.take(int(length))
	if err != nil {
		return "", err
	}
	name := string(b)
	if err := checkName(name); err != nil {
		return "", err
	}
	if name <= previous {
		return "", corrupt("%q after %q", name, previous)
	}
	if err := v.unpack(root, name, int64(size)); err != nil {
		return "", err
	}
	sum := sumOf(v.one)
	v.one = nil
	if said, err := v.take(hashSize); err != nil {
		return "", err
	} else if !bytes.Equal(said, sum) {
		return "", corrupt("%q does not have its hash", name)
	}
	return name, nil
}

func (v *verified) unpack(root *os.Root, name string, size int64) (err error) {
	if root == nil {
		return v.pass(name, size)
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	n, err := io.CopyBuffer(struct{ io.Writer }{out}, io.LimitReader(v, size), make([]byte, bufferSize))
	if err != nil {
		return err
	}
	if n != size {
		return corrupt("%q ends early", name)
	}
	return out.Sync()
}

// pass reads a file's bytes and leaves them.
func (v *verified) pass(name string, size int64) error {
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(v, size), make([]byte, bufferSize))
	if err == nil && n != size {
		err = corrupt("%q ends early", name)
	}
	return err
}

func (v *verified) end() error {
	b, err := v.take(len(trailerMagic))
	if err != nil {
		return err
	}
	sum := sumOf(v.all)
	said, err := v.take(hashSize)
	if err != nil {
		return err
	}
	if string(b) != trailerMagic || !bytes.Equal(said, sum) {
		return corrupt("the whole does not have its hash")
	}
	if _, err := v.r.ReadByte(); !errors.Is(err, io.EOF) {
		return corrupt("goes on after its end")
	}
	return nil
}
