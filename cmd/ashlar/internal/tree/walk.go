package tree

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Walk calls fn for every item below root that needs an object, in the order of
// names. What cannot be kept (a device, a pipe, a socket, an unreadable folder)
// goes to skip with the reason, and the walk goes on. An error of fn ends it.
func Walk(ctx context.Context, root string, fn func(Item) error, skip func(path string, err error)) error {
	w := walker{ctx: ctx, root: root, fn: fn, skip: skip}
	info, err := os.Stat(root)
	if err != nil {
		return protocol.Errorf(protocol.NotFound, "%w", err)
	}
	if !info.IsDir() {
		return protocol.Errorf(protocol.InvalidArgument, "%s is no folder", root)
	}
	_, err = w.folder("")
	return err
}

type walker struct {
	ctx  context.Context
	root string
	fn   func(Item) error
	skip func(string, error)
}

// folder visits what is in the folder rel and tells how many names it has.
func (w *walker) folder(rel string) (int, error) {
	entries, err := os.ReadDir(filepath.Join(w.root, rel))
	if err != nil {
		w.skip(rel, err)
		return 1, nil
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return 0, protocol.Errorf(protocol.Canceled, "%w", err)
		}
		if err := w.entry(filepath.Join(rel, e.Name()), e); err != nil {
			return 0, err
		}
	}
	return len(entries), nil
}

func (w *walker) entry(rel string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		w.skip(rel, err)
		return nil
	}
	it := Item{
		Path:     filepath.ToSlash(rel),
		Type:     info.Mode().Type(),
		Mode:     info.Mode().Perm(),
		HasMode:  true,
		Modified: info.ModTime(),
		Size:     info.Size(),
	}
	switch it.Type {
	case 0:
	case fs.ModeSymlink:
		if it.Target, err = os.Readlink(filepath.Join(w.root, rel)); err != nil {
			w.skip(rel, err)
			return nil
		}
		it.Size = int64(len(it.Target))
	case fs.ModeDir:
		it.Size = 0
		names, err := w.folder(rel)
		if err != nil || (names > 0 && it.Mode == defaultDirMode) {
			return err
		}
	default:
		w.skip(rel, protocol.Errorf(protocol.Unsupported, "neither file, folder nor symbolic link"))
		return nil
	}
	return w.fn(it)
}
