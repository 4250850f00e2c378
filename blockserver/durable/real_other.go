//go:build !linux

package durable

import (
	"os"
	"syscall"
)

func (r *real) openBeneath(name string, flag int) (*os.File, error) {
	return r.openByRoot(name, flag)
}

func (r *real) openDirBeneath(name string) (*os.File, error) { return r.openDirByRoot(name) }

func datasync(f *os.File) error { return f.Sync() }

// syncFileSystem has no equal here that reports errors; the directory's own sync
// is what there is. Linux is the platform to keep data on.
func syncFileSystem(dir *os.File) error { return dir.Sync() }

// spaceOf does not know; 1 EiB leaves the answer to the write that fails.
func spaceOf(*os.File) (Space, error) { return Space{Total: 1 << 60, Free: 1 << 60}, nil }

func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
