package state

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// draft is a block record that a rule has in hand: it changes the row and keeps
// it, and what is derived from records (counters, the schedule index, the counts
// of critical blocks) follows. There is no other way to change a record.
type draft struct {
	hash, key []byte
	// row has phase NONE where there is none.
	row    *record.Block
	before footprint
}

// footprint is everything that is derived from one record.
type footprint struct {
	tally tally
	works []work
	// critical lists the nodes that the block would miss.
	critical []uint32
}

// open takes the record of a hash in hand.
func (a *applier) open(hash []byte) draft {
	d := draft{hash: hash, key: keyBlock(hash), row: &record.Block{}}
	a.load(d.key, d.row)
	d.before = footprintOf(d.row, thresholdsFor(a.cluster, hash))
	return d
}

func footprintOf(b *record.Block, limits thresholds) footprint {
	return footprint{tallyOf(b), worksOf(b, limits.redundancy, nil), criticalNodes(b, limits.quorum)}
}

// criticalNodes lists the nodes of a referenced block with at most Q counted
// copies (reclamation.md, Remove).
func criticalNodes(b *record.Block, quorum uint32) []uint32 {
	if b.Phase != record.Block_LIVE || uint32(len(b.Copies)) > quorum {
		return nil
	}
	return heldNodes(b.Copies)
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

// keep stores a draft, or removes the record if it has no phase any more. It
// reports whether the entry had room for the rows: if not, nothing has changed.
func (a *applier) keep(d *draft) (fits bool) {
	c := a.changeTo(d, footprintOf(d.row, thresholdsFor(a.cluster, d.hash)))
	if !a.room(c.rows() + a.nodesOf(len(d.before.critical)+len(c.after.critical))) {
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

// rederive brings the index and the counts of critical blocks in line.
func (a *applier) rederive(d *draft, c change) {
	for _, w := range c.gone {
		a.unschedule(d.hash, w)
	}
	for _, w := range c.fresh {
		a.schedule(d.hash, dueRow{w, a.firstDue(w.class)}, nil)
	}
	if !slices.Equal(d.before.critical, c.after.critical) {
		a.countCritical(d.before.critical, ^uint64(0))
		a.countCritical(c.after.critical, 1)
	}
}

// countCritical adds sign to the counts of nodes; ^0 is minus one.
func (a *applier) countCritical(nodes []uint32, sign uint64) {
	for _, id := range nodes {
		a.node(id).CriticalBlocks += sign
		a.touchNode(id)
	}
}

// reservedRows are kept free of an entry's rows for what ends every entry and
// command: the cluster, the layout, the session and its window, the audit.
const reservedRows = 10 + protocol.SessionWindow

// room reports whether the entry may touch so many more rows.
func (a *applier) room(rows int) bool {
	return a.rows()+len(a.dirty)+rows+reservedRows <= protocol.MaxEntryRows
}
