package crashfs

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
)

// ErrCrashed is what every verb of a dead FS answers. A Fault that carries it
// kills the FS.
var ErrCrashed = errors.New("crashfs: the machine is down")

// Config makes an FS.
type Config struct {
	// Seed decides what failed syncs keep.
	Seed uint64
	// Capacity bounds the bytes of all files; 0 is 1 TiB.
	Capacity uint64
	// Hook, if set, is asked before every verb; see Fault. It runs under the FS's
	// lock and must not call it.
	Hook func(Op) *Fault
}

// FS is a durable.FS in memory. It is safe for concurrent use.
type FS struct {
	*disk
	dead bool
	held map[string]bool
}

var _ durable.FS = (*FS)(nil)

// disk is what outlives a process.
type disk struct {
	mu       sync.Mutex
	root     *inode
	capacity uint64
	used     uint64
	seed     uint64
	ops      int
	hook     func(Op) *Fault
}

// New returns an empty FS.
func New(cfg Config) *FS {
	if cfg.Capacity == 0 {
		cfg.Capacity = 1 << 40
	}
	return mount(&disk{root: newDir(), capacity: cfg.Capacity, seed: cfg.Seed, hook: cfg.Hook})
}

func mount(d *disk) *FS { return &FS{disk: d, held: map[string]bool{}} }

// Create is durable.FS.
func (f *FS) Create(name string) (_ durable.File, err error) {
	defer f.enter(VerbCreate, name, &err)()
	if err != nil {
		return nil, err
	}
	dir, base, err := f.parent(name)
	if err != nil {
		return nil, err
	}
	if _, found := dir.names[base]; found {
		return nil, wrap(VerbCreate, name, fs.ErrExist)
	}
	node := &inode{}
	dir.change(base, node)
	return &file{fs: f, node: node, name: name, writable: true}, nil
}

// Open is durable.FS.
func (f *FS) Open(name string) (durable.File, error) { return f.open(name, false) }

// OpenUpdate is durable.FS.
func (f *FS) OpenUpdate(name string) (durable.File, error) { return f.open(name, true) }

func (f *FS) open(name string, writable bool) (_ durable.File, err error) {
	defer f.enter(VerbOpen, name, &err)()
	if err != nil {
		return nil, err
	}
	node, err := f.find(name)
	if err != nil {
		return nil, err
	}
	if node.isDir() {
		return nil, wrap(VerbOpen, name, fs.ErrInvalid)
	}
	return &file{fs: f, node: node, name: name, writable: writable}, nil
}

// Mkdir is durable.FS.
func (f *FS) Mkdir(name string) (err error) {
	defer f.enter(VerbMkdir, name, &err)()
	if err != nil {
		return err
	}
	dir, base, err := f.parent(name)
	if err != nil {
		return err
	}
	if _, found := dir.names[base]; found {
		return wrap(VerbMkdir, name, fs.ErrExist)
	}
	dir.change(base, newDir())
	return nil
}

// Rename is durable.FS.
func (f *FS) Rename(oldName, newName string) (err error) {
	defer f.enter(VerbRename, newName, &err)()
	if err != nil {
		return err
	}
	from, oldBase, err := f.parent(oldName)
	if err != nil {
		return err
	}
	to, newBase, err := f.parent(newName)
	if err != nil {
		return err
	}
	node, found := from.names[oldBase]
	if !found {
		return wrap(VerbRename, oldName, syscall.ENOENT)
	}
	if old := to.names[newBase]; old != nil {
		if old == node {
			return nil
		}
		if old.isDir() || node.isDir() {
			return wrap(VerbRename, newName, fs.ErrExist)
		}
		f.free(old)
	}
	from.change(oldBase, nil)
	to.change(newBase, node)
	return nil
}

// Remove is durable.FS.
func (f *FS) Remove(name string) (err error) {
	defer f.enter(VerbRemove, name, &err)()
	if err != nil {
		return err
	}
	dir, base, err := f.parent(name)
	if err != nil {
		return err
	}
	node, found := dir.names[base]
	if !found {
		return wrap(VerbRemove, name, syscall.ENOENT)
	}
	if node.isDir() && len(node.names) > 0 {
		return wrap(VerbRemove, name, syscall.ENOTEMPTY)
	}
	f.free(node)
	dir.change(base, nil)
	return nil
}

// ReadDir is durable.FS.
func (f *FS) ReadDir(name string) (_ []durable.Entry, err error) {
	defer f.enter(VerbReadDir, name, &err)()
	if err != nil {
		return nil, err
	}
	node, err := f.findDir(name)
	if err != nil {
		return nil, err
	}
	entries := make([]durable.Entry, 0, len(node.names))
	for base, child := range node.names {
		entries = append(entries, durable.Entry{Name: base, Type: child.mode()})
	}
	slices.SortFunc(entries, func(a, b durable.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// Stat is durable.FS.
func (f *FS) Stat(name string) (_ durable.Entry, err error) {
	defer f.enter(VerbStat, name, &err)()
	if err != nil {
		return durable.Entry{}, err
	}
	node, err := f.find(name)
	if err != nil {
		return durable.Entry{}, err
	}
	return durable.Entry{Name: path.Base(name), Size: int64(len(node.data)), Type: node.mode()}, nil
}

// SyncDir is durable.FS.
func (f *FS) SyncDir(name string) (err error) {
	var node *inode
	defer f.enter(VerbSyncDir, name, &err)()
	if node, _ = f.findDir(name); err != nil {
		if node != nil && !f.dead {
			node.failSync(f.chance())
		}
		return err
	}
	if node, err = f.findDir(name); err == nil {
		node.sync()
	}
	return err
}

// SyncAll is durable.FS.
func (f *FS) SyncAll() (err error) {
	defer f.enter(VerbSyncAll, ".", &err)()
	failed := err != nil && !f.dead
	f.root.walk(func(node *inode) {
		switch {
		case failed:
			node.failSync(f.chance())
		case err == nil:
			node.sync()
		}
	})
	return err
}

// Space is durable.FS.
func (f *FS) Space() (_ durable.Space, err error) {
	defer f.enter(VerbSpace, ".", &err)()
	if err != nil {
		return durable.Space{}, err
	}
	return durable.Space{Total: f.capacity, Free: f.capacity - min(f.used, f.capacity)}, nil
}

// Lock is durable.FS. The lock ends with its owner: Crash and Restart drop it.
func (f *FS) Lock(name string) (_ io.Closer, err error) {
	defer f.enter(VerbLock, name, &err)()
	if err != nil {
		return nil, err
	}
	if f.held[name] {
		return nil, wrap(VerbLock, name, syscall.EWOULDBLOCK)
	}
	dir, base, err := f.parent(name)
	if err != nil {
		return nil, err
	}
	if dir.names[base] == nil {
		dir.change(base, &inode{})
	}
	f.held[name] = true
	return unlock(func() { f.mu.Lock(); defer f.mu.Unlock(); delete(f.held, name) }), nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

// Close does nothing: the disk stays for the next store.
func (f *FS) Close() error { return nil }

func (f *FS) free(node *inode) { f.used -= min(f.used, uint64(len(node.data))) }

func (f *FS) parent(name string) (*inode, string, error) {
	if !fs.ValidPath(name) || name == "." {
		return nil, "", wrap("resolve", name, fs.ErrInvalid)
	}
	dir, err := f.findDir(path.Dir(name))
	return dir, path.Base(name), err
}

func (f *FS) findDir(name string) (*inode, error) {
	node, err := f.find(name)
	if err == nil && !node.isDir() {
		err = wrap("resolve", name, syscall.ENOTDIR)
	}
	return node, err
}

func (f *FS) find(name string) (*inode, error) {
	if !fs.ValidPath(name) {
		return nil, wrap("resolve", name, fs.ErrInvalid)
	}
	node := f.root
	if name == "." {
		return node, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !node.isDir() {
			return nil, wrap("resolve", name, syscall.ENOTDIR)
		}
		if node = node.names[part]; node == nil {
			return nil, wrap("resolve", name, syscall.ENOENT)
		}
	}
	return node, nil
}

func wrap(verb Verb, name string, err error) error {
	return &fs.PathError{Op: string(verb), Path: name, Err: err}
}
