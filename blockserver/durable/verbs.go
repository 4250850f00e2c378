package durable

import (
	"errors"
	"io/fs"
	"path"
	"syscall"
)

// IsAbsent reports whether err says that the name is not there: ENOENT, and
// nothing else.
func IsAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// IsFull reports whether err says that there is no room: no space, no quota.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsExhausted reports whether err says that the process or the machine has no file
// descriptor left: a name could not be reached, and nothing was done.
func IsExhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Write creates a file of the given content and syncs it. After an error the
// name may exist; the caller removes it.
func Write(f FS, name string, content ...[]byte) error {
	file, err := f.Create(name)
	if err != nil {
		return err
	}
	var off int64
	for _, part := range content {
		if _, err = file.WriteAt(part, off); err != nil {
			return errors.Join(err, file.Close())
		}
		off += int64(len(part))
	}
	if err = file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// Publish gives oldName, whose content is synced, its final name, and returns
// when that name is durable. It replaces what had the name.
func Publish(f FS, oldName, newName string) error {
	if err := f.Rename(oldName, newName); err != nil {
		return err
	}
	return f.SyncDir(path.Dir(newName))
}

// Replace writes content under name, durably and as a whole: after a crash the
// name has its old content or the new. tmp is a free name on the same FS.
func Replace(f FS, name, tmp string, content []byte) error {
	if err := f.Remove(tmp); err != nil && !IsAbsent(err) {
		return err
	}
	if err := Write(f, tmp, content); err != nil {
		// The error that matters is the first; the next start sweeps what is left.
		_ = f.Remove(tmp)
		return err
	}
	return Publish(f, tmp, name)
}

// Read returns the content of a file of at most limit bytes; a longer one is an
// error.
func Read(f FS, name string, limit int64) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, &fs.PathError{Op: "read", Path: name, Err: syscall.EFBIG}
	}
	content := make([]byte, size)
	if _, err := file.ReadAt(content, 0); err != nil {
		return nil, err
	}
	return content, nil
}
