package tree

import (
	"crypto/rand"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// maxLinkTarget bounds a symbolic link's target, in bytes (PATH_MAX of Linux).
const maxLinkTarget = 4096

// Target is a folder that a tree is written to. Its methods may run at once.
type Target struct {
	root *os.Root

	mu      sync.Mutex
	made    map[string]bool
	links   []Item
	folders []Item
}

// OpenTarget makes the folder dir where it is missing.
func OpenTarget(dir string) (*Target, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Target{root: root, made: map[string]bool{".": true}}, nil
}

// File writes the file it.Path: content goes to the writer that write is given,
// into a temporary file beside it, which takes its name only when write returned
// nil. The file is not synced.
func (t *Target) File(it Item, write func(io.Writer) error) error {
	local := filepath.FromSlash(it.Path)
	if err := t.parents(local); err != nil {
		return err
	}
	aside := besides(local)
	f, err := t.root.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = t.finish(f, it)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil && !it.Modified.IsZero() {
		err = t.root.Chtimes(aside, time.Time{}, it.Modified)
	}
	if err == nil {
		err = t.root.Rename(aside, local)
	}
	if err != nil {
		_ = t.root.Remove(aside)
	}
	return err
}

func (t *Target) finish(f *os.File, it Item) error {
	if !it.HasMode {
		return nil
	}
	return f.Chmod(it.Mode)
}

// Folder makes the folder it.Path; its mode is set by Close, so that a folder
// that forbids writing can still be filled.
func (t *Target) Folder(it Item) error {
	if err := t.mkdir(filepath.FromSlash(it.Path)); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.folders = append(t.folders, it)
	return nil
}

// Link notes the symbolic link it.Path to it.Target; Close makes it.
func (t *Target) Link(it Item) error {
	if it.Target == "" || len(it.Target) > maxLinkTarget {
		return protocol.Errorf(protocol.InvalidArgument, "the link %s has a target of %d bytes; want 1 to %d", protocol.Quote(it.Path), len(it.Target), maxLinkTarget)
	}
	if err := t.parents(filepath.FromSlash(it.Path)); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.links = append(t.links, it)
	return nil
}

// Close makes the links, sets the folders' modes, deepest first, and lets go of
// the folder. It returns the first error and does the rest all the same.
func (t *Target) Close() error {
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	for _, it := range t.links {
		note(t.link(it))
	}
	sort.Slice(t.folders, func(i, j int) bool { return t.folders[i].Path > t.folders[j].Path })
	for _, it := range t.folders {
		if it.HasMode {
			note(t.root.Chmod(filepath.FromSlash(it.Path), it.Mode))
		}
	}
	note(t.root.Close())
	return first
}

func (t *Target) link(it Item) error {
	local := filepath.FromSlash(it.Path)
	aside := besides(local)
	if err := t.root.Symlink(it.Target, aside); err != nil {
		return err
	}
	err := t.root.Rename(aside, local)
	if err != nil {
		_ = t.root.Remove(aside)
	}
	return err
}

func (t *Target) parents(local string) error { return t.mkdir(filepath.Dir(local)) }

func (t *Target) mkdir(local string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made[local] {
		return nil
	}
	if err := t.root.MkdirAll(local, fs.FileMode(0o777)); err != nil {
		return err
	}
	for d := filepath.ToSlash(local); d != "." && d != "/"; d = path.Dir(d) {
		t.made[filepath.FromSlash(d)] = true
	}
	return nil
}

// besides names a temporary file in the folder of local.
func besides(local string) string {
	return filepath.Join(filepath.Dir(local), ".ashlar-"+rand.Text()+".part")
}
