package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// real is the file system below one folder. Names are resolved by os.Root, or
// by openat2 where the system has it, so that none can lead outside.
type real struct {
	root *os.Root
	// dir is the root as an open directory.
	dir  *os.File
	path string
}

// OpenReal returns the real file system below dir, which must exist.
func OpenReal(dir string) (FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &real{root: root, dir: d, path: dir}, nil
}

func (r *real) Create(name string) (File, error) {
	return r.openFile("create", name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (r *real) Open(name string) (File, error) {
	return r.openFile("open", name, os.O_RDONLY)
}

func (r *real) OpenUpdate(name string) (File, error) {
	return r.openFile("open", name, os.O_RDWR)
}

func (r *real) openFile(verb, name string, flag int) (File, error) {
	if err := checkName(verb, name); err != nil {
		return nil, err
	}
	f, err := r.openBeneath(name, flag)
	if err != nil {
		return nil, err
	}
	return realFile{f}, nil
}

func (r *real) Mkdir(name string) error {
	if err := checkName("mkdir", name); err != nil {
		return err
	}
	return r.root.Mkdir(name, dirMode)
}

func (r *real) Rename(oldName, newName string) error {
	if err := errors.Join(checkName("rename", oldName), checkName("rename", newName)); err != nil {
		return err
	}
	return r.root.Rename(oldName, newName)
}

func (r *real) Remove(name string) error {
	if err := checkName("remove", name); err != nil {
		return err
	}
	return r.root.Remove(name)
}

func (r *real) ReadDir(name string) ([]Entry, error) {
	d, err := r.openDir(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	found, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(found))
	for i, e := range found {
		entries[i] = Entry{Name: e.Name(), Type: e.Type()}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

func (r *real) Stat(name string) (Entry, error) {
	if err := checkName("stat", name); err != nil {
		return Entry{}, err
	}
	info, err := r.root.Lstat(name)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Name: path.Base(name), Size: info.Size(), Type: info.Mode().Type()}, nil
}

func (r *real) SyncDir(name string) error {
	d, err := r.openDir(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (r *real) SyncAll() error {
	return syncFileSystem(r.dir)
}

func (r *real) Space() (Space, error) {
	return spaceOf(r.dir)
}

func (r *real) Lock(name string) (io.Closer, error) {
	if err := checkName("lock", name); err != nil {
		return nil, err
	}
	f, err := r.openBeneath(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another process: %w", path.Join(r.path, name), err), f.Close())
	}
	return f, nil
}

func (r *real) Close() error { return errors.Join(r.dir.Close(), r.root.Close()) }

// openDir opens a directory, "." being the root itself.
func (r *real) openDir(name string) (*os.File, error) {
	if name != "." {
		if err := checkName("opendir", name); err != nil {
			return nil, err
		}
	}
	return r.openDirBeneath(name)
}

// realFile adds the file verbs that os.File spells differently.
type realFile struct{ *os.File }

func (f realFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f realFile) Datasync() error { return datasync(f.File) }

// checkName refuses what FS says a name never is, before the system sees it.
func checkName(verb, name string) error {
	if name == "." || !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
		return &fs.PathError{Op: verb, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// MakeRoot makes a folder for OpenReal if it is absent, and every absent folder
// above it, with durable names.
func MakeRoot(dir string) error {
	dir = filepath.Clean(dir)
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrExist}
	case err == nil || !IsAbsent(err):
		return err
	}
	parent := filepath.Dir(dir)
	if err := MakeRoot(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
