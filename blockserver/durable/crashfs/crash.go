package crashfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Crash cuts the power: f is dead, and the FS returned holds what was durable
// plus what the seed lets survive. Seed 0 loses all that was not synced, seed 1
// keeps it, any other draws for each sector and name.
func (f *FS) Crash(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	switch seed {
	case 0:
		return f.after(seed, loseAll)
	case 1:
		return f.after(seed, keepAll)
	}
	return f.after(seed, partly)
}

// Settled returns a copy in which everything that readers see is durable. f stays
// as it is.
func (f *FS) Settled() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.after(0, keepAll)
}

func (f *FS) after(seed uint64, how fate) *FS {
	s := survivor{luck: rand.New(rand.NewPCG(seed, f.seed)), how: how, done: map[*inode]*inode{}}
	after := &disk{root: s.node(f.root), capacity: f.capacity, seed: f.seed ^ seed}
	counted := map[*inode]bool{}
	after.root.walk(func(n *inode) {
		if !counted[n] {
			counted[n] = true
			after.used += uint64(len(n.data))
		}
	})
	return mount(after)
}

// Restart kills the process and keeps the machine: f is dead, and the FS
// returned sees everything written, with the unsynced as unsynced as before.
func (f *FS) Restart() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	return mount(f.disk)
}

// survivor builds the tree after a crash; two names of one file stay that.
type survivor struct {
	luck *rand.Rand
	how  fate
	done map[*inode]*inode
}

func (s *survivor) node(n *inode) *inode {
	if after := s.done[n]; after != nil {
		return after
	}
	if !n.isDir() {
		data := n.survivingData(s.luck, s.how)
		after := &inode{data: data, stable: slices.Clone(data)}
		s.done[n] = after
		return after
	}
	after := newDir()
	s.done[n] = after
	names := n.survivingNames(s.luck, s.how)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		child := s.node(names[name])
		after.names[name], after.stableNames[name] = child, child
	}
	return after
}
