package table

import (
	"bytes"
	"sync"

	"github.com/google/btree"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
)

// degree is the B-tree's; 32 keeps a node within a few cache lines of pointers.
const degree = 32

type row struct{ key, value []byte }

func rowLess(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 }

// Memory is a table in memory. View is O(1): the tree is copied on write. It is
// safe for concurrent use.
type Memory struct {
	mu   sync.RWMutex
	tree *btree.BTreeG[row]
}

// NewMemory returns an empty table.
func NewMemory() *Memory {
	return &Memory{tree: btree.NewG(degree, rowLess)}
}

// Get returns the value of key; it never fails.
func (m *Memory) Get(key []byte) ([]byte, bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.tree.Get(row{key: key})
	return r.value, ok, nil
}

// Scan is that of a View taken now.
func (m *Memory) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	return m.View().Scan(lower, upper, fn)
}

// View returns the present moment.
func (m *Memory) View() state.View {
	// Clone marks the nodes of both trees as shared, so it needs the write lock.
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memoryView{tree: m.tree.Clone()}
}

// Write applies a sorted batch; it never fails.
func (m *Memory) Write(sorted []state.Mutation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mu := range sorted {
		if mu.Delete {
			m.tree.Delete(row{key: mu.Key})
			continue
		}
		m.tree.ReplaceOrInsert(row{key: mu.Key, value: mu.Value})
	}
	return nil
}

// Len is the number of rows.
func (m *Memory) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.tree.Len()
}

// memoryView reads a tree that nobody writes.
type memoryView struct{ tree *btree.BTreeG[row] }

func (v *memoryView) Get(key []byte) ([]byte, bool, error) {
	r, ok := v.tree.Get(row{key: key})
	return r.value, ok, nil
}

func (v *memoryView) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	each := func(r row) bool { return fn(r.key, r.value) }
	if len(upper) == 0 {
		v.tree.AscendGreaterOrEqual(row{key: lower}, each)
		return nil
	}
	v.tree.AscendRange(row{key: lower}, row{key: upper}, each)
	return nil
}

func (v *memoryView) Close() error { return nil }
