package crashfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
)

// file is an open inode.
type file struct {
	fs       *FS
	node     *inode
	name     string
	writable bool
}

var _ durable.File = (*file)(nil)

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	defer f.fs.enter(VerbRead, f.name, &err)()
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, wrap(VerbRead, f.name, fs.ErrInvalid)
	}
	if off < int64(len(f.node.data)) {
		n = copy(p, f.node.data[off:])
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	defer f.fs.enter(VerbWrite, f.name, &err)()
	switch {
	case err == ErrCrashed:
		return 0, err
	case errors.Is(err, ErrCrashed) || errors.Is(err, syscall.ENOSPC):
		n = f.put(p[:len(p)/2], off)
		return n, err
	case err != nil:
		return 0, err
	case !f.writable || off < 0:
		return 0, wrap(VerbWrite, f.name, syscall.EBADF)
	}
	if n = f.put(p, off); n < len(p) {
		err = wrap(VerbWrite, f.name, syscall.ENOSPC)
	}
	return n, err
}

// put writes as much of p as there is room for.
func (f *file) put(p []byte, off int64) int {
	room := f.fs.capacity - min(f.fs.used, f.fs.capacity)
	if grow := int64(len(p)) + off - int64(len(f.node.data)); grow > 0 {
		if over := grow - int64(min(room, 1<<62)); over > 0 {
			p = p[:max(int64(len(p))-over, 0)]
		}
	}
	if len(p) == 0 {
		return 0
	}
	before := len(f.node.data)
	f.node.write(int(off), p)
	f.fs.used += uint64(len(f.node.data) - before)
	return len(p)
}

func (f *file) Size() (size int64, err error) {
	defer f.fs.enter(VerbStat, f.name, &err)()
	if err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *file) Sync() (err error) {
	defer f.fs.enter(VerbSync, f.name, &err)()
	switch {
	case err == nil:
		f.node.sync()
	case !f.fs.dead:
		f.node.failSync(f.fs.chance())
	}
	return err
}

func (f *file) Datasync() error { return f.Sync() }

func (f *file) Close() error { return nil }
