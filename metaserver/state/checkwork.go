package state

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// checkSchedule: the schedule index is exactly what the block records imply, by
// the settings that they stand by, and every due time but 0 can be found by hash.
func checkSchedule(w *world) error {
	works := slices.Clone(w.works)
	slices.SortFunc(works, compareWork)
	at, postponed := 0, 0
	for _, b := range w.blocks {
		for _, implied := range worksOf(b.row, thresholdsFor(w.cluster, b.key).of(b.row), nil) {
			if at == len(works) || !bytes.Equal(works[at].Hash[:], b.key) || works[at].Class != implied.class || works[at].Lane != implied.lane {
				return broken("schedule", "block %x implies class %d lane %d, which has no row", b.key, implied.class, implied.lane)
			}
			if err := checkDue(w, works[at]); err != nil {
				return err
			}
			if works[at].DueUnixMs != 0 {
				postponed++
			}
			at++
		}
	}
	if at < len(works) {
		return broken("schedule", "class %d lane %d has a row for block %x, which no record implies", works[at].Class, works[at].Lane, works[at].Hash)
	}
	if postponed != len(w.dues) {
		return broken("schedule", "%d rows are not due at once and %d due times are kept", postponed, len(w.dues))
	}
	return nil
}

func compareWork(x, y DueWork) int {
	if c := bytes.Compare(x.Hash[:], y.Hash[:]); c != 0 {
		return c
	}
	a, b := work{x.Class, x.Lane}, work{y.Class, y.Lane}
	switch {
	case a.less(b):
		return -1
	case b.less(a):
		return 1
	}
	return 0
}

func checkDue(w *world, row DueWork) error {
	kept, ok := get(w.dues, keyWorkDue(work{row.Class, row.Lane}, row.Hash[:])[1:])
	if ok != (row.DueUnixMs != 0) || ok && (len(kept) != 8 || int64(binary.BigEndian.Uint64(kept)) != row.DueUnixMs) {
		return broken("schedule", "class %d lane %d of block %x is due at %d and %x is kept", row.Class, row.Lane, row.Hash, row.DueUnixMs, kept)
	}
	if row.Attempts == 0 && row.DueUnixMs != 0 && row.Class != ClassCondemn {
		return broken("schedule", "class %d lane %d of block %x waits and has not failed", row.Class, row.Lane, row.Hash)
	}
	return nil
}

// checkCritical: each node's counts of copies, deletes owed and critical blocks are
// those of a recount, and nothing mentions a removed node that counts as cleaned.
func checkCritical(w *world) error {
	counts := make([]record.Node, len(w.nodes))
	for _, b := range w.blocks {
		f := footprintOf(b.row, thresholdsFor(w.cluster, b.key).of(b.row))
		for _, node := range f.copies {
			countCopy(&counts[node-1], &f, 1)
		}
		for _, owed := range f.works {
			if owed.class == ClassDelete {
				counts[owed.lane-1].OwedDeletes++
			}
		}
		if node, mentioned := mentionsCleaned(w, b.row); mentioned {
			return broken("nodes", "block %x mentions node %d, which was removed and cleaned", b.key, node)
		}
	}
	for i, n := range w.nodes {
		c := &counts[i]
		switch {
		case n.row.CriticalBlocks != c.CriticalBlocks:
			return broken("critical", "node %d counts %d critical blocks, recounted %d", i+1, n.row.CriticalBlocks, c.CriticalBlocks)
		case n.row.Copies != c.Copies || n.row.CopiesStoredBytes != c.CopiesStoredBytes || n.row.OwedDeletes != c.OwedDeletes:
			return broken("holders", "node %d counts %d copies of %d bytes and owes %d deletes, recounted %d, %d, %d", i+1, n.row.Copies, n.row.CopiesStoredBytes, n.row.OwedDeletes, c.Copies, c.CopiesStoredBytes, c.OwedDeletes)
		}
	}
	return nil
}

func mentionsCleaned(w *world, b *record.Block) (node uint32, mentioned bool) {
	for _, named := range [][]uint32{heldNodes(b.Copies), heldNodes(b.Drops), b.Pending} {
		for _, node := range named {
			if w.nodes[node-1].row.Cleaned {
				return node, true
			}
		}
	}
	return 0, false
}
