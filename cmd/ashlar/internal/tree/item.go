package tree

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Keys of user metadata.
const (
	KeyType     = "ashlar-type"
	KeyMode     = "ashlar-mode"
	KeyModified = "ashlar-mtime"
)

// Values of KeyType.
const (
	TypeSymlink   = "symlink"
	TypeDirectory = "directory"
)

// defaultDirMode is the mode of a folder that needs no object of its own.
const defaultDirMode fs.FileMode = 0o755

// Item is one file, link or folder of a tree.
type Item struct {
	// Path is slash-separated and relative to the tree's root.
	Path string
	// Type is 0 for a regular file, fs.ModeSymlink or fs.ModeDir.
	Type fs.FileMode
	// Mode holds permission bits; HasMode tells whether they are known.
	Mode    fs.FileMode
	HasMode bool
	// Modified is zero where it is not known.
	Modified time.Time
	// Size is in bytes.
	Size int64
	// Target is where a link points.
	Target string
}

// Name is the object's name below a prefix.
func (it Item) Name() string {
	if it.Type == fs.ModeDir {
		return it.Path + "/"
	}
	return it.Path
}

// Metadata says what the item's bytes do not.
func (it Item) Metadata() map[string]string {
	m := map[string]string{}
	switch it.Type {
	case fs.ModeSymlink:
		m[KeyType] = TypeSymlink
		return m
	case fs.ModeDir:
		m[KeyType] = TypeDirectory
	default:
		m[KeyModified] = it.Modified.UTC().Format(time.RFC3339Nano)
	}
	m[KeyMode] = fmt.Sprintf("%04o", it.Mode.Perm())
	return m
}

// FromObject reads what Name and Metadata wrote, name being relative to the
// prefix that was asked for. A name that does not stay below a folder, and
// metadata that does not parse, are InvalidArgument.
func FromObject(name string, size int64, metadata map[string]string) (Item, error) {
	it := Item{Path: strings.TrimSuffix(name, "/"), Size: size}
	local, err := filepath.Localize(it.Path)
	if err != nil || path.Clean(it.Path) != it.Path || local == "." {
		return Item{}, protocol.Errorf(protocol.InvalidArgument, "the name %s is no path below a folder", protocol.Quote(name))
	}
	switch metadata[KeyType] {
	case "":
	case TypeSymlink:
		it.Type = fs.ModeSymlink
	case TypeDirectory:
		it.Type = fs.ModeDir
	default:
		return Item{}, protocol.Errorf(protocol.Unsupported, "%s is %s %s, which this version does not know", protocol.Quote(name), KeyType, protocol.Quote(metadata[KeyType]))
	}
	if strings.HasSuffix(name, "/") != (it.Type == fs.ModeDir) {
		return Item{}, protocol.Errorf(protocol.InvalidArgument, "the name %s ends in \"/\" if and only if it is a folder", protocol.Quote(name))
	}
	if text, ok := metadata[KeyMode]; ok {
		mode, err := strconv.ParseUint(text, 8, 32)
		if err != nil || mode > 0o777 {
			return Item{}, protocol.Errorf(protocol.InvalidArgument, "%s of %s is %s, not permission bits", KeyMode, protocol.Quote(name), protocol.Quote(text))
		}
		it.Mode, it.HasMode = fs.FileMode(mode), true
	}
	if text, ok := metadata[KeyModified]; ok {
		if it.Modified, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return Item{}, protocol.Errorf(protocol.InvalidArgument, "%s of %s: %w", KeyModified, protocol.Quote(name), err)
		}
	}
	return it, nil
}
