package state

import (
	"bytes"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// stepScan bounds the records that one step of CleanNode, Reindex or a sweep looks at.
const stepScan = 4096

func checkCleanNode(q *record.CleanNode) error { return checkStep(q.Cursor, q.Count) }

func checkStep(cursor []byte, count uint32) error {
	if len(cursor) != 0 && len(cursor) != protocol.HashSize {
		return protocol.Errorf(protocol.InvalidArgument, "a cursor is a hash, not %d bytes", len(cursor))
	}
	return checkBatch(int(min(count, MaxBatch+1)))
}

// cleanNode takes a removed node's mentions out of the next records in hash order
// (reclamation.md, Remove). A step whose cursor is no longer the node's was done
// before.
func (a *applier) cleanNode(q *record.CleanNode) *record.Result {
	n := a.node(q.Node)
	if isMember(n) || n == nil || n.Cleaned || !bytes.Equal(q.Cursor, n.CleanCursor) {
		return a.ended(effect{ignored: 1}, false)
	}
	var e effect
	last, more := a.walk(n.CleanCursor, func(d *draft) bool {
		if !forget(d.row, q.Node) {
			return true
		}
		if e.applied == q.Count || !a.keep(d) {
			return false
		}
		e.applied++
		return true
	})
	n.CleanCursor, n.Cleaned = last, !more
	a.touchNode(q.Node)
	if n.Cleaned {
		n.CleanCursor = nil
		a.cluster.Suspects = suspects(a.m.nodes)
	}
	return a.ended(e, true)
}

// forget removes every mention of a node from a record.
func forget(b *record.Block, node uint32) (mentioned bool) {
	before := len(b.Copies) + len(b.Drops) + len(b.Pending)
	b.Copies, b.Drops = removeHeld(b.Copies, node), removeHeld(b.Drops, node)
	b.Pending = slices.DeleteFunc(b.Pending, func(id uint32) bool { return id == node })
	return len(b.Copies)+len(b.Drops)+len(b.Pending) < before
}

// walk takes the records above after in hand, in hash order, until fn returns
// false or stepScan were looked at. It returns the last one that fn was done with,
// and whether others may follow.
func (a *applier) walk(after []byte, fn func(d *draft) bool) (last []byte, more bool) {
	last = after
	for seen := 0; seen < stepScan; {
		drafts := a.draftsAbove(last)
		for i := range drafts {
			if a.err != nil || !fn(&drafts[i]) {
				return last, true
			}
			last = drafts[i].hash
		}
		if seen += len(drafts); len(drafts) < stepPage {
			return last, false
		}
	}
	return last, true
}

// stepPage is how many records are read at a time: a step may end early.
const stepPage = 256

func (a *applier) draftsAbove(after []byte) []draft {
	var drafts []draft
	lower := keyBlock(after)
	if len(after) > 0 {
		lower = append(lower, 0)
	}
	a.fail(scanRowsBetween(a, lower, keysAbove([]byte{tableBlocks}), func(key []byte, b *record.Block) bool {
		key = bytes.Clone(key)
		drafts = append(drafts, draft{hash: key[1:], key: key, row: b, before: footprintOf(b, thresholdsFor(a.cluster, key[1:]).of(b))})
		return len(drafts) < stepPage
	}))
	return drafts
}
