package state

import (
	"bytes"
	"encoding/binary"
)

// tx is what one entry has changed so far, over a table that it does not touch.
// Reads see the changes. The first failure of the table sticks in err: reads
// then find nothing, and the entry must end without being written.
type tx struct {
	base  Reader
	items []Mutation
	// order holds indexes of items, sorted by key.
	order []int32
	err   error
}

func (t *tx) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// find returns where key stands in order, or would.
func (t *tx) find(key []byte) (at int, found bool) {
	low, high := 0, len(t.order)
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch bytes.Compare(t.items[t.order[mid]].Key, key) {
		case 0:
			return mid, true
		case -1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// Get is Reader's; a failure sticks as well.
func (t *tx) Get(key []byte) ([]byte, bool, error) {
	if t.err != nil {
		return nil, false, t.err
	}
	if at, found := t.find(key); found {
		item := &t.items[t.order[at]]
		return item.Value, !item.Delete, nil
	}
	value, ok, err := t.base.Get(key)
	if err != nil {
		t.fail(err)
	}
	return value, ok, err
}

// put and delete take key and value over.
func (t *tx) put(key, value []byte) { t.set(Mutation{Key: key, Value: value}) }

func (t *tx) delete(key []byte) { t.set(Mutation{Key: key, Delete: true}) }

func (t *tx) set(m Mutation) {
	at, found := t.find(m.Key)
	if found {
		t.items[t.order[at]] = m
		return
	}
	t.items = append(t.items, m)
	t.order = append(t.order, 0)
	copy(t.order[at+1:], t.order[at:])
	t.order[at] = int32(len(t.items) - 1)
}

// Scan is Reader's, over the table and the changes merged.
func (t *tx) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	if t.err != nil {
		return t.err
	}
	at, _ := t.find(lower)
	more := true
	// emit passes on the changed rows below key, or all of them for nil.
	emit := func(key []byte) {
		for more && at < len(t.order) {
			item := &t.items[t.order[at]]
			if upper != nil && bytes.Compare(item.Key, upper) >= 0 || key != nil && bytes.Compare(item.Key, key) >= 0 {
				return
			}
			at++
			if !item.Delete {
				more = fn(item.Key, item.Value)
			}
		}
	}
	err := t.base.Scan(lower, upper, func(key, value []byte) bool {
		emit(key)
		if changed := at < len(t.order) && bytes.Equal(t.items[t.order[at]].Key, key); more && !changed {
			more = fn(key, value)
		}
		return more
	})
	if err != nil {
		t.fail(err)
		return err
	}
	emit(nil)
	return nil
}

// rows counts the rows touched so far.
func (t *tx) rows() int { return len(t.order) }

// sorted returns the mutations by key.
func (t *tx) sorted() []Mutation {
	out := make([]Mutation, len(t.order))
	for i, at := range t.order {
		out[i] = t.items[at]
	}
	return out
}

// appendCanonical appends what the running digest covers of one entry:
//
//	for each row by key: 1 (put) or 2 (delete) │ uvarint length, key │ put: uvarint length, value
func (t *tx) appendCanonical(b []byte) []byte {
	for _, at := range t.order {
		m := &t.items[at]
		if m.Delete {
			b = append(b, 2)
		} else {
			b = append(b, 1)
		}
		b = append(binary.AppendUvarint(b, uint64(len(m.Key))), m.Key...)
		if !m.Delete {
			b = append(binary.AppendUvarint(b, uint64(len(m.Value))), m.Value...)
		}
	}
	return b
}
