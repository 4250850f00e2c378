package sim

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/integration/sim/cover"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// read fetches the truth.
func (f *facts) read() {
	r := f.w.log.truth.table
	var err, err2 error
	f.cluster, err = state.ClusterRow(r)
	f.members, err2 = state.Nodes(r)
	if err != nil || err2 != nil {
		f.w.violated("state", "%v %v", err, err2)
	}
	for i := range f.rows {
		if f.rows[i], _, err = state.BlockRow(r, f.w.blocks[i].hash); err != nil {
			f.w.violated("state", "%v", err)
		}
	}
}

// applied sees one entry that was applied.
func (f *facts) applied(batch []proposal, results []*record.Result) {
	w := f.w
	before := append([]*record.Block(nil), f.rows...)
	members := f.members
	f.read()
	for i, p := range batch {
		w.cover.Command(p.cmd, results[i])
		f.hear(p.cmd, results[i], f.once(p.cmd, results[i]))
		f.accepted(p.cmd, results[i])
	}
	w.cover.Nodes(members, f.members)
	steady := !slices.ContainsFunc(batch, takesTrust)
	for i, row := range f.rows {
		w.cover.Transition(before[i], row)
		w.cover.Redundancy(before[i], row, f.redundancy(before[i]), f.redundancy(row), f.cluster.Settings.GetQuorum())
		f.quorum(i, before[i], row, steady)
		f.left(i, before[i], row)
		f.mend(i, before[i], row)
		f.floor(i, row)
	}
	f.shown()
	f.placed(batch, results, members, before)
	if slices.ContainsFunc(batch, changesNames) {
		f.stay()
	}
	if f.checked++; f.checked%40 == 0 {
		f.whole()
	}
}

// hear takes down what a client is told, if it is for the first time.
func (f *facts) hear(cmd *record.Command, r *record.Result, first bool) {
	if protocol.Kind(r.Kind) == protocol.InvalidArgument && f.told.Elsewhere(cmd.GetCommit()) {
		f.w.cover.Points[cover.UploadElsewhere]++
	}
	if r.Kind != 0 || !first {
		return
	}
	if err := f.told.Hear(cmd, r, f.there); err != nil {
		f.w.violated("objects", "%v", err)
	}
}

// left forgets a loss once the metadata has: its copy is no longer counted.
func (f *facts) left(i int, before, after *record.Block) {
	for _, c := range before.GetCopies() {
		if host := f.host(c.Node); host != nil && held(after, c.Node) == nil {
			f.lost[host.slot][i] = protocol.Version{}
			f.kept[host.slot][i] = false
		}
	}
}

func held(b *record.Block, node uint32) *record.Held {
	for _, c := range b.GetCopies() {
		if c.Node == node {
			return c
		}
	}
	return nil
}

// mend ends a block's excuse: new references were given out, so Q copies stand,
// and no other is counted that a disk has lost.
func (f *facts) mend(i int, before, after *record.Block) {
	if after.GetRefs() > before.GetRefs() && f.sound(after, i) {
		f.hurt[i] = false
	}
}

// sound: all copies of a block exist, Q at least, and the metadata knows of all
// that was lost of it.
func (f *facts) sound(row *record.Block, i int) bool {
	for _, c := range row.Copies {
		host := f.host(c.Node)
		if !f.stands(c, i) || host.restored > 0 || !f.lost[host.slot][i].Less(heldVersion(c)) || !f.fell[host.slot][i].Less(heldVersion(c)) {
			return false
		}
	}
	return len(row.Copies) >= f.quorumOf(row)
}

// quorum: a live or unreferenced block that gains references has Q trusted copies,
// in the eyes of the checker. It is judged after entries that take no trust away.
func (f *facts) quorum(i int, before, after *record.Block, steady bool) {
	if p := before.GetPhase(); p != record.Block_LIVE && p != record.Block_UNREFERENCED {
		return
	}
	if !steady || after.GetRefs() <= before.GetRefs() {
		return
	}
	trusted := 0
	for _, c := range after.Copies {
		if f.trusted(c) {
			trusted++
		}
	}
	if trusted < f.quorumOf(after) {
		f.w.violated("quorum", "%s gains references with %d trusted copies: %s", f.w.name(i), trusted, f.explain(i))
	}
}

// marked: a copy that a live block is not to have, on a node that is being emptied
// or because there are more than R, is marked to be moved or dropped, or the running
// sweep is still to come to it. Else nothing would ever move it, unless somebody
// happens to change the placement again. What an operator has stopped is his to begin
// anew, and where R nodes are not to be had the copy is to stay.
func (f *facts) marked(i int, row *record.Block) {
	if f.canceled || row.GetPhase() != record.Block_LIVE || row.Moving > 0 || f.sweepComes(i) {
		return
	}
	targets, full := f.targets(i, row)
	for _, c := range row.Copies {
		n := f.members[c.Node-1]
		emptied := n.State == pb.NodeState_NODE_STATE_DRAINING || n.State == pb.NodeState_NODE_STATE_DRAINED
		// Copies of a node that is away and may return are its own affair.
		surplus := len(row.Copies) > len(targets) && f.member(c.Node) && !n.Away && !slices.Contains(targets, c.Node)
		if full && (emptied || surplus) {
			f.w.violated("marks", "%s is to stand on %v, is counted on node %d, which is %s, and nothing will move it: %s", f.w.name(i), targets, c.Node, state.StateName(n.State), f.explain(i))
		}
	}
}

// targets are the nodes that a block is to stand on; full: there are R of them.
func (f *facts) targets(i int, row *record.Block) (nodes []uint32, full bool) {
	nodes = state.Wanted(f.table, f.cluster.Away, f.redundancy(row), f.w.blocks[i].hash[:])
	return nodes, len(nodes) == int(f.redundancy(row))
}

// sweepComes: the running sweep has not looked at the block yet.
func (f *facts) sweepComes(i int) bool {
	return f.running != nil && !f.running.Walked && bytes.Compare(f.running.Cursor, f.w.blocks[i].hash[:]) < 0
}

// takesTrust: the command may end the trust in copies.
func takesTrust(p proposal) bool {
	switch p.cmd.Body.(type) {
	case *record.Command_Register, *record.Command_RemoveNode, *record.Command_Lost, *record.Command_Drop, *record.Command_StartGeneration, *record.Command_CleanNode:
		return true
	}
	return false
}

// settle ends the excuse of a restore: the copies exist, and their nodes refuse
// the orders of before.
func (f *facts) settle(i int, row *record.Block) {
	for _, c := range row.Copies {
		if host := f.host(c.Node); host == nil || host.met < f.cluster.Generation {
			return
		}
	}
	f.hurt[i] = !f.sound(row, i)
}

// floor: fl(h) never falls.
func (f *facts) floor(i int, row *record.Block) {
	w := f.w
	first, watermark := unwire(f.cluster.First), unwire(f.cluster.Watermark)
	if watermark.Less(f.watermark) {
		w.violated("floors", "W falls from %s to %s", f.watermark, watermark)
	}
	f.watermark = watermark
	floor := first.Max(watermark)
	if row != nil {
		floor = first.Max(unwire(row.Floor))
	}
	if floor.Less(f.floors[i]) {
		w.violated("floors", "fl(%s) falls from %s to %s", w.name(i), f.floors[i], floor)
	}
	f.floors[i] = floor
}

// shown ends the excuse of disks that were rolled back, once their Register is in
// the log: from then on the metadata knows what not to trust.
func (f *facts) shown() {
	for _, m := range f.members {
		at := f.starts[string(m.Start)]
		if n := at.node; n != nil && n.restored > 0 && at.number >= n.restored {
			n.restored = 0
		}
	}
}

// once: a sequence of a session has one outcome. It tells whether this is the
// first time that it is heard.
func (f *facts) once(cmd *record.Command, r *record.Result) (first bool) {
	call := callOf(cmd)
	if call == nil {
		return true
	}
	switch protocol.Kind(r.Kind) {
	case protocol.Busy, protocol.SessionExpired, protocol.StaleRequest, protocol.LimitExceeded, protocol.Unavailable:
		return true
	}
	detail := r.Detail
	r.Detail = ""
	text, err := r.MarshalVT()
	r.Detail = detail
	if err != nil {
		f.w.violated("setup", "%v", err)
		return true
	}
	key := fmt.Sprintf("%x/%d", call.Session, call.Sequence)
	known := f.outcomes[key]
	if known == nil {
		f.outcomes[key] = &outcome{string(text), len(f.w.log.entries)}
		return true
	}
	f.w.cover.Points[cover.Repeated]++
	if known.text != string(text) {
		f.w.violated("once", "sequence %s had one outcome in entry %d and has another in entry %d: %v", key, known.entry, len(f.w.log.entries), r)
	}
	return false
}

func callOf(cmd *record.Command) *pb.Call {
	switch b := cmd.Body.(type) {
	case *record.Command_Commit:
		return b.Commit.Call
	case *record.Command_Undelete:
		return b.Undelete.Call
	case *record.Command_Delete:
		return b.Delete.Call
	case *record.Command_DeletePrefix:
		return b.DeletePrefix.Call
	case *record.Command_CreateUpload:
		return b.CreateUpload.Call
	case *record.Command_AppendUpload:
		return b.AppendUpload.Call
	case *record.Command_AbortUpload:
		return b.AbortUpload.Call
	}
	return nil
}

// restored: the metadata is that of the backup again, and what was done since
// was not.
func (f *facts) restored() {
	for key, o := range f.outcomes {
		if o.entry > len(f.w.log.entries) {
			delete(f.outcomes, key)
		}
	}
	for _, n := range f.w.nodes {
		f.bad(n)
	}
	f.read()
	f.remember()
	f.watermark = protocol.Version{}
	for i := range f.rows {
		f.hurt[i], f.floors[i] = true, protocol.Version{}
		for slot := range f.orders {
			f.orders[slot][i], f.kept[slot][i] = protocol.Version{}, false
		}
	}
}

// ordered takes down what a leader tells a node.
func (f *facts) ordered(id, generation uint32, o *pb.Order) {
	i, host := f.w.blockOf(o.Hash), f.host(id)
	if o.Kind == pb.OrderKind_ORDER_KIND_DELETE && i >= 0 && host != nil && generation == f.cluster.Generation {
		at := &f.orders[host.slot][i]
		*at = at.Max(unwire(o.Version))
	}
}

// claimed: what a node acknowledges is there.
func (f *facts) claimed(n *node, i int, c protocol.Claim) {
	if at := n.files[i]; !at.good || at.version.Less(c.Version) {
		if n.up() && !n.rotten[i] {
			f.w.violated("claims", "node %d claims %s at %s and holds %v", n.slot+1, f.w.name(i), c.Version, at)
		}
	}
}

// rotted, rolledBack and vanished note what a disk has lost.
func (f *facts) rotted(n *node, i int) {
	f.lost[n.slot][i] = versionOf(f.cluster)
	f.hurt[i] = true
	n.rotten[i], n.admits[i] = n.up(), false
}

// found: the bad bytes that a running process had verified before are gone. What
// it acknowledged up to now may be false.
func (f *facts) found(n *node, i int) {
	f.lost[n.slot][i] = versionOf(f.cluster)
	n.rotten[i] = false
}

func (f *facts) rolledBack(n *node) {
	f.bad(n)
	for i := range f.hurt {
		f.hurt[i], f.fell[n.slot][i] = true, versionOf(f.cluster)
	}
}

// bad notes the files with bad bytes that came back, or whose loss came to be
// forgotten, with a disk or the metadata restored.
func (f *facts) bad(n *node) {
	for i, at := range n.files {
		if !at.version.IsZero() && !at.good {
			f.lost[n.slot][i] = versionOf(f.cluster)
		}
	}
}

func (f *facts) vanished(*node) {
	for i := range f.hurt {
		f.hurt[i] = true
	}
}

// accepted: an operator took a node away and the losses with it; or a bad file
// was reported lost, and must not be believed in any more.
func (f *facts) accepted(cmd *record.Command, r *record.Result) {
	switch b := cmd.Body.(type) {
	case *record.Command_RemoveNode:
		for i, row := range f.rows {
			if r.Kind == 0 && b.RemoveNode.AcceptLoss && f.standing(row, i) < f.quorumOf(row) {
				f.hurt[i] = true
			}
		}
	case *record.Command_Lost:
		for _, item := range b.Lost.Items {
			i, host := f.w.blockOf(item.Hash), f.host(item.Node)
			// One that comes late may be about a file before this one.
			if i >= 0 && host != nil && host.admits[i] && held(f.rows[i], item.Node) == nil {
				host.rotten[i] = false
			}
		}
	}
}

// stands: the copy exists, whatever the metadata thinks of its node.
func (f *facts) stands(c *record.Held, i int) bool {
	host := f.host(c.Node)
	if host == nil || !f.member(c.Node) {
		return false
	}
	at := host.files[i]
	return at.good && !at.version.Less(heldVersion(c))
}

// standing counts a row's copies that exist.
func (f *facts) standing(b *record.Block, i int) (count int) {
	for _, c := range b.GetCopies() {
		if f.stands(c, i) {
			count++
		}
	}
	return count
}
