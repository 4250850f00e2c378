package durable

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openBeneath opens a regular file with one look-up, following no link and never
// blocking on a device or pipe that somebody planted.
func (r *real) openBeneath(name string, flag int) (*os.File, error) {
	fd, err := r.openat2(name, flag|unix.O_NONBLOCK)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return r.openByRoot(name, flag)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fs.ErrInvalid
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.Join(err, unix.Close(fd))}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (r *real) openDirBeneath(name string) (*os.File, error) {
	fd, err := r.openat2(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return r.openDirByRoot(name)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "opendir", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (r *real) openat2(name string, flag int) (fd int, err error) {
	how := &unix.OpenHow{
		Flags:   uint64(flag | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	if flag&os.O_CREATE != 0 {
		how.Mode = fileMode
	}
	conn, err := r.dir.SyscallConn()
	if err != nil {
		return -1, err
	}
	again := func(err error) bool { return err == unix.EINTR || err == unix.EAGAIN }
	outer := conn.Control(func(dir uintptr) {
		// EAGAIN: a rename ran beside the look-up; openat2(2) says to repeat.
		for fd, err = -1, unix.EAGAIN; again(err); {
			fd, err = unix.Openat2(int(dir), name, how)
		}
	})
	return fd, errors.Join(outer, err)
}

func datasync(f *os.File) error {
	return control(f, "fdatasync", unix.Fdatasync)
}

// syncFileSystem is syncfs(2), which reports what write-back lost since Linux 5.8.
func syncFileSystem(dir *os.File) error {
	return control(dir, "syncfs", unix.Syncfs)
}

func spaceOf(dir *os.File) (s Space, err error) {
	err = control(dir, "fstatfs", func(fd int) error {
		var st unix.Statfs_t
		if err := unix.Fstatfs(fd, &st); err != nil {
			return err
		}
		unit := uint64(st.Bsize)
		s = Space{Total: st.Blocks * unit, Free: st.Bavail * unit}
		return nil
	})
	return s, err
}

func lockFile(f *os.File) error {
	return control(f, "flock", func(fd int) error {
		return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	})
}

// control runs a system call on f's descriptor, again if a signal interrupts it.
func control(f *os.File, verb string, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	outer := conn.Control(func(fd uintptr) {
		for inner = unix.EINTR; inner == unix.EINTR; {
			inner = call(int(fd))
		}
	})
	if inner != nil {
		inner = &fs.PathError{Op: verb, Path: f.Name(), Err: inner}
	}
	return errors.Join(outer, inner)
}
