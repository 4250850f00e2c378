package state_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The twin's half of reclamation: every rule as its text says, and the schedule
// derived anew from all blocks after every command.

// twinRow is where a piece of work stands, twinWork what is known of it.
type twinRow struct {
	class, lane uint32
	hash        string
}

type twinWork struct {
	due             int64
	attempts, cause uint32
	detail          string
}

func (w *twin) runWork(c *record.Command) string {
	switch body := c.Body.(type) {
	case *record.Command_DeletePrefixStep:
		return w.prefixStep(body.DeletePrefixStep)
	case *record.Command_CancelPrefixJob:
		return w.cancelPrefix(body.CancelPrefixJob.Job.GetCounter())
	case *record.Command_Condemn:
		return w.condemn(body.Condemn)
	case *record.Command_Drop:
		return w.drop(body.Drop)
	case *record.Command_Deleted:
		return w.deleted(body.Deleted)
	case *record.Command_Reap:
		return w.reap(body.Reap)
	case *record.Command_Lost:
		return w.lost(body.Lost)
	case *record.Command_RemoveNode:
		return w.removeNode(body.RemoveNode)
	case *record.Command_CleanNode:
		return w.cleanNode(body.CleanNode)
	case *record.Command_InventoryTaken:
		return w.inventory(body.InventoryTaken)
	case *record.Command_Postpone:
		return w.postpone(body.Postpone)
	case *record.Command_RetryNow:
		return w.retry(body.RetryNow)
	case *record.Command_PutSettings:
		return w.putSettings(body.PutSettings)
	}
	return w.runPlacement(c)
}

// effect answers, having taken a version if anything changed.
func (w *twin) effect(applied, ignored int, changed bool) string {
	if changed {
		w.next()
	}
	return w.say(0) + fmt.Sprintf(" applied %d ignored %d", applied, ignored)
}

// each runs a rule on every item and answers.
func (w *twin) each(items int, rule func(i int) bool) string {
	applied := 0
	for i := range items {
		if rule(i) {
			applied++
		}
	}
	return w.effect(applied, items-applied, applied > 0)
}

func (w *twin) member(node uint32) bool { return w.nodes[node] != nil && !w.nodes[node].removed }

func (w *twin) trusts(node uint32, u uint64) bool { return w.member(node) && u >= w.nodes[node].due }

func (b *twinBlock) forget(node uint32) (mentioned bool) {
	mentioned = b.copies[node] > 0 || b.drops[node] > 0 || slices.Contains(b.pending, node)
	delete(b.copies, node)
	delete(b.drops, node)
	b.pending = slices.DeleteFunc(slices.Clone(b.pending), func(id uint32) bool { return id == node })
	return mentioned
}

func (w *twin) condemn(q *record.Condemn) string {
	t := w.version + 1
	return w.eachAudited(8, len(q.Hashes)/32, func(i int) string { return fmt.Sprintf(" %x", q.Hashes[32*i:32*i+4]) }, func(i int) bool {
		b := w.blocks[string(q.Hashes[32*i:32*i+32])]
		if b == nil || b.condemned || b.refs > 0 {
			return false
		}
		for node := range uint32(len(w.nodes)) {
			if b.copies[node+1] > 0 || b.drops[node+1] > 0 {
				b.pending = append(b.pending, node+1)
			}
		}
		b.condemned, b.floor, b.copies, b.drops = true, t, nil, nil
		return true
	})
}

func (w *twin) drop(q *record.Drop) string {
	t := w.version + 1
	return w.eachAudited(9, len(q.Items), func(i int) string { return printNodeBlock(q.Items[i]) }, func(i int) bool {
		node, hash := q.Items[i].Node, string(q.Items[i].Hash)
		b := w.blocks[hash]
		if b == nil || b.refs == 0 || !w.member(node) {
			return false
		}
		others := 0
		for _, other := range w.targets(hash) {
			if u, counted := b.copies[other]; counted && other != node && w.trusts(other, u) {
				others++
			}
		}
		if others < w.redundancyOf(b) {
			return false
		}
		delete(b.copies, node)
		b.floor, b.drops[node] = t, t
		return true
	})
}

func (w *twin) deleted(q *record.Deleted) string {
	applied, rose := 0, false
	for _, item := range q.Items {
		node, t := item.Order.Node, item.Order.Version.Counter
		if !w.member(node) || item.Kept != nil && item.Kept.Version.Counter < t {
			continue
		}
		changed := false
		if b := w.blocks[string(item.Order.Hash)]; b != nil {
			if b.condemned && b.floor == t && slices.Contains(b.pending, node) {
				changed = b.forget(node)
			} else if b.drops[node] == t && t > 0 {
				delete(b.drops, node)
				changed = true
			}
		}
		if item.Kept != nil {
			counted, raised := w.kept(item.Kept)
			changed, rose = changed || counted, rose || raised
		}
		if changed {
			applied++
		}
	}
	return w.effect(applied, len(q.Items)-applied, applied > 0 || rose)
}

// kept is a claim like any other.
func (w *twin) kept(ack *pb.Ack) (counted, rose bool) {
	blocks := &pb.Blocks{Hashes: ack.Hash, PlainSizes: []uint32{100}}
	claims := []*pb.Claim{{Node: ack.Node, Incarnation: ack.Incarnation, Ack: ack.Ack, Generation: 1, Counter: ack.Version.Counter}}
	if b := w.blocks[string(ack.Hash)]; b != nil && !b.condemned {
		for node, u := range w.believed(string(ack.Hash), b.floor, blocks, claims) {
			counted = b.copies[node] < u
			b.copies[node] = max(b.copies[node], u)
		}
	}
	return counted, w.raiseAcks(claims)
}

func (w *twin) reap(q *record.Reap) string {
	upto := q.Upto.Counter
	if upto > w.version {
		return w.say(protocol.PreconditionFailed)
	}
	rose := upto > w.watermark
	w.watermark = max(w.watermark, upto)
	applied, reaped := 0, ""
	for _, hash := range hashesOf(&pb.Blocks{Hashes: q.Hashes, PlainSizes: make([]uint32, len(q.Hashes)/32)}) {
		if b := w.blocks[hash]; b != nil && b.condemned && b.floor <= upto && !slices.ContainsFunc(b.pending, w.member) {
			delete(w.blocks, hash)
			applied++
			reaped += fmt.Sprintf(" %x", hash[:4])
		}
	}
	answer := w.effect(applied, len(q.Hashes)/32-applied, applied > 0 || rose)
	if applied > 0 {
		w.audit(10, "%s upto 1.%d", reaped, upto)
	}
	return answer
}

func (w *twin) lost(q *record.Lost) string {
	t := w.version + 1
	return w.eachAudited(11, len(q.Items), func(i int) string { return printNodeBlock(q.Items[i]) }, func(i int) bool {
		item := q.Items[i]
		b := w.blocks[string(item.Hash)]
		if b == nil || !w.member(item.Node) || b.copies[item.Node] == 0 || b.copies[item.Node] != item.Version.Counter {
			return false
		}
		delete(b.copies, item.Node)
		b.floor = t
		return true
	})
}

func (w *twin) removeNode(q *record.RemoveNode) string {
	n := w.nodes[q.Node]
	if kind := w.mayGo(q.Node); n == nil || kind > 0 && !q.AcceptLoss {
		return w.say(kind)
	}
	if n.removed {
		return w.say(0)
	}
	placed := placedOn(n.state)
	n.removed, n.away, n.due, n.cursor = true, false, 0, ""
	w.next()
	w.audit(12, " node %d accepted %v critical %d", q.Node, q.AcceptLoss, w.critical(q.Node))
	if placed {
		w.newLayout()
		w.startSweep(2, uint64(q.Node))
	}
	return w.say(0)
}

// mayGo: a removal that accepts no loss is carried out.
func (w *twin) mayGo(node uint32) protocol.Kind {
	switch n := w.nodes[node]; {
	case n == nil:
		return protocol.NotFound
	case n.removed:
		return 0
	}
	for id, other := range w.nodes {
		if id != node && (!other.removed && other.due > 0 || other.removed && !other.cleaned) {
			return protocol.Unavailable
		}
	}
	if w.critical(node) > 0 {
		return protocol.PreconditionFailed
	}
	return 0
}

// critical counts the referenced blocks with at most Q copies, one of them here.
func (w *twin) critical(node uint32) (count int) {
	for _, b := range w.blocks {
		if b.refs > 0 && b.copies[node] > 0 && len(b.copies) <= min(w.quorum, w.redundancyOf(b)) {
			count++
		}
	}
	return count
}

func (w *twin) cleanNode(q *record.CleanNode) string {
	n := w.nodes[q.Node]
	if n == nil || !n.removed || n.cleaned || n.cursor != string(q.Cursor) {
		return w.effect(0, 1, false)
	}
	applied := 0
	for _, hash := range sortedKeys(w.blocks) {
		if hash <= n.cursor {
			continue
		}
		b := w.blocks[hash]
		mentioned := b.copies[q.Node] > 0 || b.drops[q.Node] > 0 || slices.Contains(b.pending, q.Node)
		if mentioned && applied == int(q.Count) {
			return w.effect(applied, 0, true)
		}
		if b.forget(q.Node) {
			applied++
		}
		n.cursor = hash
	}
	n.cleaned, n.cursor = true, ""
	return w.effect(applied, 0, true)
}

func (w *twin) inventory(q *record.InventoryTaken) string {
	return w.each(1, func(int) bool {
		n := w.nodes[q.Node]
		if n == nil || n.removed || n.due == 0 || n.due != q.Due.Counter {
			return false
		}
		n.due = 0
		return true
	})
}

func (w *twin) postpone(q *record.Postpone) string {
	return w.each(len(q.Items), func(i int) bool {
		item := q.Items[i]
		row := w.work[twinRow{item.Class, item.Lane, string(item.Hash)}]
		if row == nil || row.attempts != item.IfAttempts {
			return false
		}
		row.attempts++
		row.due, row.cause, row.detail = item.DueUnixMs, item.Cause, item.Detail
		return true
	})
}

func (w *twin) retry(q *record.RetryNow) string {
	applied := 0
	for _, at := range w.sortedWork() {
		row := w.work[at]
		if row.due == 0 || q.Class != 0 && at.class != q.Class || len(q.Hash) > 0 && at.hash != string(q.Hash) || len(q.Hash) == 0 && applied == int(q.Limit) {
			continue
		}
		row.due = 0
		applied++
	}
	return w.effect(applied, 0, applied > 0)
}

func (w *twin) putSettings(q *record.PutSettings) string {
	if q.IfVersion.Counter != w.settings {
		return w.say(protocol.Changed)
	}
	wider := w.redundancy != int(q.Settings.Redundancy)
	w.quorum, w.redundancy, w.grace = int(q.Settings.Quorum), int(q.Settings.Redundancy), q.Settings.GraceMs
	w.auditKeep = int(q.Settings.AuditKeepRows)
	if w.settings = w.next(); wider {
		w.newLayout()
		w.startSweep(1, 0)
	}
	return w.say(0)
}

// derive makes the schedule what all blocks imply.
func (w *twin) derive(now int64) {
	implied := map[twinRow]bool{}
	for hash, b := range w.blocks {
		at := func(class, lane int) { implied[twinRow{uint32(class), uint32(lane), hash}] = true }
		if b.refs > 0 && len(b.copies) < w.redundancyOf(b) {
			at(1, len(b.copies))
		}
		if b.moving > 0 {
			at(2, b.moving-1)
		}
		for node := range b.drops {
			at(3, int(node))
		}
		for _, node := range b.pending {
			at(3, int(node))
		}
		if b.refs == 0 && !b.condemned {
			at(4, 0)
		}
		if b.condemned && len(b.pending) == 0 {
			at(5, 0)
		}
	}
	for row := range w.work {
		if !implied[row] {
			delete(w.work, row)
		}
	}
	for row := range implied {
		if w.work[row] == nil {
			w.work[row] = &twinWork{}
			if row.class == 4 {
				w.work[row].due = now + int64(min(w.grace, math.MaxInt64/2))
			}
		}
	}
}

// sortedWork is by class, lane, due time and hash.
func (w *twin) sortedWork() []twinRow {
	rows := make([]twinRow, 0, len(w.work))
	for row := range w.work {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(x, y twinRow) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare(x.lane, y.lane), cmp.Compare(w.work[x].due, w.work[y].due), cmp.Compare(x.hash, y.hash))
	})
	return rows
}

func (w *twin) printWork(out *strings.Builder) {
	for i := range uint32(len(w.nodes)) {
		n := w.nodes[i+1]
		state := n.state
		if n.removed {
			state = pb.NodeState_NODE_STATE_REMOVED
		}
		copies, owed := w.held(i + 1)
		fmt.Fprintf(out, "node %d incarnation %d %s away %v cleaned %v up to %x critical %d copies %d owes %d\n", i+1, n.incarnation, state, n.away, n.cleaned, n.cursor,
			w.critical(i+1), copies, owed)
	}
	fmt.Fprintf(out, "watermark %d\n", w.watermark)
	for _, at := range w.sortedWork() {
		row := w.work[at]
		fmt.Fprintf(out, "work %d lane %d due %d block %x attempts %d cause %d %q\n", at.class, at.lane, row.due, at.hash[:4], row.attempts, row.cause, row.detail)
	}
}
