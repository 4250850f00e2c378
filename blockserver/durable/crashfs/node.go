package crashfs

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
)

const sector = 512

// inode is a file or a directory: what readers see, what is durable, and what
// happened since the last sync.
type inode struct {
	data, stable []byte
	writes       []write

	names, stableNames map[string]*inode
	changes            []change
}

// write is one WriteAt since the last sync.
type write struct {
	off  int
	data []byte
}

// change is one name's new meaning since the last sync; nil removes it.
type change struct {
	name string
	node *inode
}

func newDir() *inode {
	return &inode{names: map[string]*inode{}, stableNames: map[string]*inode{}}
}

func (n *inode) isDir() bool { return n.names != nil }

func (n *inode) mode() fs.FileMode {
	if n.isDir() {
		return fs.ModeDir
	}
	return 0
}

func (n *inode) change(name string, node *inode) {
	if node == nil {
		delete(n.names, name)
	} else {
		n.names[name] = node
	}
	n.changes = append(n.changes, change{name, node})
}

func (n *inode) write(off int, data []byte) {
	n.data = overlay(n.data, off, data)
	n.writes = append(n.writes, write{off, slices.Clone(data)})
}

// sync makes what readers see durable, if a failed sync has not lost it before:
// only the writes and changes since then are pending.
func (n *inode) sync() {
	for _, w := range n.writes {
		n.stable = overlay(n.stable, w.off, w.data)
	}
	for _, c := range n.changes {
		apply(n.stableNames, c)
	}
	n.writes, n.changes = nil, nil
}

// failSync keeps what luck keeps and forgets that the rest is missing.
func (n *inode) failSync(luck *rand.Rand) {
	n.stable = n.survivingData(luck, partly)
	n.stableNames = n.survivingNames(luck, partly)
	n.writes, n.changes = nil, nil
}

// fate is how kind a crash is.
type fate int

const (
	partly fate = iota
	loseAll
	keepAll
)

func (n *inode) survivingData(luck *rand.Rand, how fate) []byte {
	data := slices.Clone(n.stable)
	for _, w := range n.writes {
		for at := 0; at < len(w.data); {
			end := min(at+sector-(w.off+at)%sector, len(w.data))
			keep := survivors(luck, how, end-at)
			data = overlay(data, w.off+at, w.data[at:at+keep])
			at = end
		}
	}
	if how == partly && len(n.data) > len(data) && luck.IntN(4) == 0 {
		data = overlay(data, len(n.data), nil)
	}
	return data
}

// survivors tells how many of the first bytes of a sector's part are kept.
func survivors(luck *rand.Rand, how fate, size int) int {
	switch how {
	case loseAll:
		return 0
	case keepAll:
		return size
	}
	switch luck.IntN(8) {
	case 0:
		return luck.IntN(size + 1)
	case 1, 2, 3:
		return 0
	}
	return size
}

func (n *inode) survivingNames(luck *rand.Rand, how fate) map[string]*inode {
	names := maps.Clone(n.stableNames)
	if how == loseAll {
		return names
	}
	history := map[string][]change{}
	for _, c := range n.changes {
		history[c.name] = append(history[c.name], c)
	}
	for _, name := range slices.Sorted(maps.Keys(history)) {
		kept := len(history[name])
		if how == partly {
			kept = luck.IntN(kept + 1)
		}
		for _, c := range history[name][:kept] {
			apply(names, c)
		}
	}
	return names
}

func apply(names map[string]*inode, c change) {
	if c.node == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.node
	}
}

// walk visits n and everything below it that readers see, names in order.
func (n *inode) walk(visit func(*inode)) {
	visit(n)
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		n.names[name].walk(visit)
	}
}

// overlay writes part over data at off and fills a gap with zeros.
func overlay(data []byte, off int, part []byte) []byte {
	if grow := off + len(part) - len(data); grow > 0 {
		data = append(data, make([]byte, grow)...)
	}
	copy(data[off:], part)
	return data
}
