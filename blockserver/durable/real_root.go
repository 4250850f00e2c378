package durable

import (
	"errors"
	"io/fs"
	"os"
)

// openByRoot opens a regular file through os.Root alone. The name is looked at
// first, so that no device is opened and no link is followed.
func (r *real) openByRoot(name string, flag int) (*os.File, error) {
	if info, err := r.root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return r.root.OpenFile(name, flag, fileMode)
}

func (r *real) openDirByRoot(name string) (*os.File, error) {
	d, err := r.root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := d.Stat()
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "opendir", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
