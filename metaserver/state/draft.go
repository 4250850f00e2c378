package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// draft is a block record that a rule has in hand: it changes the row and keeps
// it, and what is derived from records (its mark, counters, the schedule index, the
// counts of each node) follows. There is no other way to change a record.
type draft struct {
	hash, key []byte
	// row has phase NONE where there is none.
	row    *record.Block
	before footprint
	// swept: a sweep looks at it, and marks it whatever it is that is out of line.
	swept bool
}

// footprint is everything that is derived from one record.
type footprint struct {
	tally tally
	works []work
	// copies lists the nodes with a counted copy; critical says that the block would
	// miss each of them.
	copies   []uint32
	critical bool
	// redundancy is R of a live block, else 0.
	redundancy uint32
}

// open takes the record of a hash in hand.
func (a *applier) open(hash []byte) draft {
	d := draft{hash: hash, key: keyBlock(hash), row: &record.Block{}}
	a.load(d.key, d.row)
	d.before = footprintOf(d.row, thresholdsFor(a.cluster, hash).of(d.row))
	return d
}

// footprintOf is what a record comes to, by its own limits.
func footprintOf(b *record.Block, limits thresholds) footprint {
	f := footprint{tally: tallyOf(b), works: worksOf(b, limits, nil), copies: heldNodes(b.Copies)}
	if b.Phase == record.Block_LIVE {
		// At most Q counted copies of a referenced block (reclamation.md, Remove).
		f.critical, f.redundancy = uint32(len(b.Copies)) <= limits.quorum, limits.redundancy
	}
	return f
}

// become settles the record's mark, and what follows from the record then.
func (a *applier) become(d *draft) footprint {
	limits := thresholdsFor(a.cluster, d.hash).of(d.row)
	d.row.Moving = a.markOf(d, d.swept || a.surplusNow(d, limits.redundancy))
	return footprintOf(d.row, limits)
}

// surplusNow: the block has more copies than R, of which it had fewer before, or
// R has fallen, or there was none. No sweep would come to drop them: a writer that
// takes one node for slow and goes to another leaves a copy too many.
func (a *applier) surplusNow(d *draft, redundancy uint32) bool {
	was, copies := d.before.redundancy, len(d.row.Copies)
	return copies > int(redundancy) && (was == 0 || redundancy < was || copies > len(d.before.copies)) && a.m.holds(SurplusMarked)
}

// change is what keeping a draft does to what is derived from it.
type change struct {
	after footprint
	gone  []dueRow
	fresh []work
}

// dueRow is a row of the schedule index that is to go.
type dueRow struct {
	work
	due int64
}

// changeTo compares what is derived from a draft as it was read with what it
// becomes. A row of the index that stays keeps its attempts and due time.
func (a *applier) changeTo(d *draft, after footprint) change {
	c := change{after: after}
	x, y := d.before.works, after.works
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].less(y[0]):
			due, err := dueOf(a, x[0], d.hash)
			a.fail(err)
			c.gone = append(c.gone, dueRow{x[0], due})
			x = x[1:]
		case len(x) == 0 || y[0].less(x[0]):
			c.fresh = append(c.fresh, y[0])
			y = y[1:]
		default:
			x, y = x[1:], y[1:]
		}
	}
	return c
}

// rows counts the rows that the change touches, the nodes' left out.
func (c *change) rows() int {
	rows := 1
	for _, w := range c.gone {
		rows += rowsOfWorkAt(w.due)
	}
	for _, w := range c.fresh {
		rows++
		if w.class == ClassCondemn {
			rows++
		}
	}
	return rows
}

// nodes bounds the nodes whose rows the change touches.
func (c *change) nodes(d *draft) int {
	return len(d.before.copies) + len(c.after.copies) + len(c.gone) + len(c.fresh)
}

// eachNode names the nodes whose rows the change may touch, some more than once.
func (c *change) eachNode(d *draft, name func(id uint32)) {
	for _, id := range d.before.copies {
		name(id)
	}
	for _, id := range c.after.copies {
		name(id)
	}
	for _, w := range c.gone {
		if w.class == ClassDelete {
			name(w.lane)
		}
	}
	for _, w := range c.fresh {
		if w.class == ClassDelete {
			name(w.lane)
		}
	}
}

// keep stores a draft, or removes the record if it has no phase any more. It
// reports whether the entry had room for the rows: if not, nothing has changed.
func (a *applier) keep(d *draft) (fits bool) {
	c := a.changeTo(d, a.become(d))
	if !a.room(c.rows() + a.nodesOf(c.nodes(d))) {
		return false
	}
	a.replace(d, c)
	return true
}

// nodesOf bounds the nodes' rows that so many mentions of nodes touch.
func (a *applier) nodesOf(mentions int) int { return min(mentions, len(a.m.nodes)) }

// replace stores a draft whose rows the entry is known to have room for.
func (a *applier) replace(d *draft, c change) {
	countBlock(a.cluster.Counters, d.before.tally, ^uint64(0))
	countBlock(a.cluster.Counters, c.after.tally, 1)
	a.rederive(d, c)
	if d.row.Phase == record.Block_NONE {
		a.delete(d.key)
	} else {
		a.store(d.key, d.row)
	}
	d.before = c.after
}

// rederive brings the index and the counts of each node in line.
func (a *applier) rederive(d *draft, c change) {
	for _, w := range c.gone {
		a.unschedule(d.hash, w)
		a.countWork(w.work, ^uint64(0))
	}
	for _, w := range c.fresh {
		a.schedule(d.hash, dueRow{w, a.firstDue(w.class)}, nil)
		a.countWork(w, 1)
	}
	x, y := &d.before, &c.after
	if x.critical != y.critical || x.tally.fileBytes != y.tally.fileBytes || !slices.Equal(x.copies, y.copies) {
		a.countHolders(x, ^uint64(0))
		a.countHolders(y, 1)
	}
}

// countWork adds sign to what rows of the index are counted by: the deletes that a
// node owes, and the blocks that lack copies; ^0 is minus one.
func (a *applier) countWork(w work, sign uint64) {
	switch w.class {
	case ClassDelete:
		a.node(w.lane).OwedDeletes += sign
		a.touchNode(w.lane)
	case ClassRedundancy:
		a.cluster.Counters.UnderReplicatedBlocks += sign
	}
}

// countHolders adds sign to what each node counts of a record.
func (a *applier) countHolders(f *footprint, sign uint64) {
	for _, id := range f.copies {
		countCopy(a.node(id), f, sign)
		a.touchNode(id)
	}
}

func countCopy(n *record.Node, f *footprint, sign uint64) {
	n.Copies += sign
	n.CopiesStoredBytes += sign * f.tally.fileBytes
	if f.critical {
		n.CriticalBlocks += sign
	}
}

// reservedRows are kept free of an entry's rows for what ends every entry and
// command: the cluster, the session and its window, the audit, and what ends with a
// sweep.
const reservedRows = 10 + protocol.SessionWindow + maxLayouts

// room reports whether the entry may touch so many more rows.
func (a *applier) room(rows int) bool {
	return a.rows()+len(a.dirty)+rows+reservedRows <= protocol.MaxEntryRows
}
