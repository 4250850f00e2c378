package sim

import (
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// facts is what the checkers know: the truth of the metadata, and what was done
// to the disks.
type facts struct {
	w       *world
	cluster *record.Cluster
	members []*record.Node
	rows    []*record.Block
	// hurt[i]: a disk lost a copy of block i, or the metadata was restored, and no
	// commit has found Q copies since.
	hurt []bool
	// lost[slot][i] is the version that the metadata had when the disk lost the
	// file; a claim up to it may be false. Zero: it lost nothing.
	lost [][]protocol.Version
	// fell[slot][i] is the same for a disk that was rolled back, where it is no
	// excuse: the counts give that away.
	fell [][]protocol.Version
	// orders[slot][i] is the highest t of a delete order of this generation.
	orders [][]protocol.Version
	// floors[i] and watermark never fall.
	floors    []protocol.Version
	watermark protocol.Version
	outcomes  map[string]*outcome
	starts    map[string]start
	// acks[slot] is the last acknowledgement count seen, of this start.
	checked int
}

// outcome is what a sequence of a session came to, and with which entry.
type outcome struct {
	text  string
	entry int
}

// start is one start of a node.
type start struct {
	node   *node
	number int
}

func (f *facts) init(w *world) {
	n := len(w.blocks)
	*f = facts{
		w: w, rows: make([]*record.Block, n), hurt: make([]bool, n), floors: make([]protocol.Version, n),
		outcomes: map[string]*outcome{}, starts: map[string]start{}, cluster: &record.Cluster{},
	}
}

func (f *facts) addNode() {
	f.lost = append(f.lost, make([]protocol.Version, len(f.rows)))
	f.fell = append(f.fell, make([]protocol.Version, len(f.rows)))
	f.orders = append(f.orders, make([]protocol.Version, len(f.rows)))
}

func (f *facts) started(n *node, id []byte) { f.starts[string(id)] = start{n, n.starts} }

// host is the machine behind a node's number: the one that started it last. A
// restore may have given the number away anew.
func (f *facts) host(id uint32) *node {
	if id == 0 || int(id) > len(f.members) {
		return nil
	}
	return f.starts[string(f.members[id-1].Start)].node
}

func (f *facts) member(id uint32) bool {
	return id > 0 && int(id) <= len(f.members) && f.members[id-1].State != pb.NodeState_NODE_STATE_REMOVED
}

func (f *facts) trusted(c *record.Held) bool {
	return f.member(c.Node) && !heldVersion(c).Less(unwire(f.members[c.Node-1].InventoryDue))
}

func heldVersion(c *record.Held) protocol.Version {
	return protocol.Version{Generation: c.Generation, Counter: c.Counter}
}

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
		w.cover.command(p.cmd, results[i])
		f.once(p.cmd, results[i])
		f.accepted(p.cmd, results[i])
	}
	w.cover.nodes(members, f.members)
	steady := !slices.ContainsFunc(batch, takesTrust)
	for i, row := range f.rows {
		w.cover.transition(before[i], row)
		f.quorum(i, before[i], row, steady)
		f.left(i, before[i], row)
		f.mend(i, before[i], row)
		f.floor(i, row)
	}
	f.told()
	if f.checked++; f.checked%40 == 0 {
		f.whole()
	}
}

// left forgets a loss once the metadata has: its copy is no longer counted.
func (f *facts) left(i int, before, after *record.Block) {
	for _, c := range before.GetCopies() {
		if host := f.host(c.Node); host != nil && held(after, c.Node) == nil {
			f.lost[host.slot][i] = protocol.Version{}
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
	return len(row.Copies) >= int(f.cluster.Settings.Quorum)
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
	if trusted < int(f.cluster.Settings.Quorum) {
		f.w.violated("quorum", "%s gains references with %d trusted copies: %s", f.w.name(i), trusted, f.explain(i))
	}
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

// told ends the excuse of disks that were rolled back, once their Register is in
// the log: from then on the metadata knows what not to trust.
func (f *facts) told() {
	for _, m := range f.members {
		at := f.starts[string(m.Start)]
		if n := at.node; n != nil && n.restored > 0 && at.number >= n.restored {
			n.restored = 0
		}
	}
}

// once: a sequence of a session has one outcome.
func (f *facts) once(cmd *record.Command, r *record.Result) {
	call := callOf(cmd)
	if call == nil {
		return
	}
	switch protocol.Kind(r.Kind) {
	case protocol.Busy, protocol.SessionExpired, protocol.StaleRequest, protocol.LimitExceeded, protocol.Unavailable:
		return
	}
	detail := r.Detail
	r.Detail = ""
	text, err := r.MarshalVT()
	r.Detail = detail
	if err != nil {
		f.w.violated("setup", "%v", err)
		return
	}
	key := fmt.Sprintf("%x/%d", call.Session, call.Sequence)
	known := f.outcomes[key]
	if known == nil {
		f.outcomes[key] = &outcome{string(text), len(f.w.log.entries)}
		return
	}
	f.w.cover.Points[PointRepeated]++
	if known.text != string(text) {
		f.w.violated("once", "sequence %s had one outcome in entry %d and has another in entry %d: %v", key, known.entry, len(f.w.log.entries), r)
	}
}

func callOf(cmd *record.Command) *pb.Call {
	switch b := cmd.Body.(type) {
	case *record.Command_Commit:
		return b.Commit.Call
	case *record.Command_Delete:
		return b.Delete.Call
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
	f.watermark = protocol.Version{}
	for i := range f.rows {
		f.hurt[i], f.floors[i] = true, protocol.Version{}
		for slot := range f.orders {
			f.orders[slot][i] = protocol.Version{}
		}
	}
}

// accepted: an operator took a node away and the losses with it; or a bad file
// was reported lost, and must not be believed in any more.
func (f *facts) accepted(cmd *record.Command, r *record.Result) {
	switch b := cmd.Body.(type) {
	case *record.Command_RemoveNode:
		for i, row := range f.rows {
			if r.Kind == 0 && b.RemoveNode.AcceptLoss && f.standing(row, i) < int(f.cluster.Settings.Quorum) {
				f.hurt[i] = true
			}
		}
	case *record.Command_Lost:
		for _, item := range b.Lost.Items {
			i, host := f.w.blockOf(item.Hash), f.host(item.Node)
			if i >= 0 && host != nil && held(f.rows[i], item.Node) == nil {
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

// check looks at every block.
func (w *world) check() {
	f := &w.facts
	for i, row := range f.rows {
		for _, c := range row.GetCopies() {
			f.copies(i, c)
		}
		if row.GetRefs() > 0 && f.hurt[i] {
			f.settle(i, row)
		}
		if row.GetRefs() > 0 && !f.hurt[i] {
			if n := f.standing(row, i); n < int(f.cluster.Settings.Quorum) {
				w.violated("survival", "%s has %d references and %d copies that exist: %s", w.name(i), row.Refs, n, f.explain(i))
			}
		}
	}
}

// copies: a counted, trusted copy exists; and no order can take it away.
func (f *facts) copies(i int, c *record.Held) {
	host := f.host(c.Node)
	if host == nil || !f.trusted(c) {
		return
	}
	u := heldVersion(c)
	lost := f.lost[host.slot][i]
	if host.gone || host.restored > 0 || host.rotten[i] || !lost.IsZero() && !lost.Less(u) {
		f.hurt[i] = f.hurt[i] || !f.stands(c, i)
		return
	}
	if !f.stands(c, i) {
		f.w.violated("copies", "%s is counted on node %d at %s: %s", f.w.name(i), c.Node, u, f.explain(i))
	}
	if t := f.orders[host.slot][i]; u.Less(t) {
		f.w.violated("orders", "%s is counted on node %d at %s and a delete below %s was sent there: %s", f.w.name(i), c.Node, u, t, f.explain(i))
	}
}

// whole runs the state's own invariants.
func (f *facts) whole() {
	if err := state.Check(f.w.log.truth.table); err != nil {
		f.w.violated("state", "%v", err)
	}
}
