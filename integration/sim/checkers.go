package sim

import (
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/integration/sim/cover"
	"github.com/seed-7d21a5b5/ashlar/integration/sim/told"
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
	// kept[slot][i]: the copy stood when its node met this generation. From then on
	// it refuses the orders of before, so the copy stands, trusted yet or not.
	kept [][]bool
	// orders[slot][i] is the highest t of a delete order of this generation.
	orders [][]protocol.Version
	// floors[i] and watermark never fall.
	floors    []protocol.Version
	watermark protocol.Version
	outcomes  map[string]*outcome
	// told is what clients were told of objects.
	told *told.Objects
	// tables are the partition tables that there were; layout is the present one's
	// version, sweep the last sweep that was looked at.
	tables        map[string]bool
	layout, sweep uint64
	// table is the present layout, and running the sweep that runs; nil: none does.
	table     *record.Layout
	tablesFor uint32
	running   *record.Sweep
	// canceled: a sweep was, and none was begun since. balanced: the operator has
	// balanced the nodes, and nothing was stored since.
	canceled, balanced bool
	starts             map[string]start
	// checked counts the entries, for what is looked at after every so many.
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
		outcomes: map[string]*outcome{}, told: told.New(), tables: map[string]bool{}, starts: map[string]start{}, cluster: &record.Cluster{},
	}
}

func (f *facts) addNode() {
	f.lost = append(f.lost, make([]protocol.Version, len(f.rows)))
	f.fell = append(f.fell, make([]protocol.Version, len(f.rows)))
	f.orders = append(f.orders, make([]protocol.Version, len(f.rows)))
	f.kept = append(f.kept, make([]bool, len(f.rows)))
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

// redundancy is R of a block; quorumOf is its Q.
func (f *facts) redundancy(b *record.Block) uint32 {
	return (&state.Placing{Redundancy: f.cluster.Settings.GetRedundancy()}).RedundancyOf(b)
}

func (f *facts) quorumOf(b *record.Block) int {
	return int(min(f.cluster.Settings.GetQuorum(), f.redundancy(b)))
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
			if n := f.standing(row, i); n < f.quorumOf(row) {
				w.violated("survival", "%s has %d references and %d copies that exist: %s", w.name(i), row.Refs, n, f.explain(i))
			}
		}
	}
}

// meets: a node has met this generation with what it holds.
func (f *facts) meets(n *node) {
	for i, row := range f.rows {
		if c := held(row, uint32(n.id)); c != nil && f.host(c.Node) == n {
			f.kept[n.slot][i] = f.stands(c, i)
		}
	}
}

// copies: a counted, trusted copy exists, and so does one that its node has kept
// since it met the generation; and no order can take it away.
func (f *facts) copies(i int, c *record.Held) {
	host := f.host(c.Node)
	if host == nil || !f.member(c.Node) || !f.trusted(c) && !f.kept[host.slot][i] {
		return
	}
	u := heldVersion(c)
	lost := f.lost[host.slot][i]
	if host.gone || host.restored > 0 || host.rotten[i] || !lost.IsZero() && !lost.Less(u) {
		f.hurt[i] = f.hurt[i] || !f.stands(c, i)
		f.kept[host.slot][i] = false
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

// placed looks at what an entry did to the placement: to blocks and nodes that
// are what no observation may decide alone.
func (f *facts) placed(batch []proposal, results []*record.Result, members []*record.Node, rows []*record.Block) {
	for i, p := range batch {
		f.noted(p.cmd, results[i])
	}
	f.swept()
	f.relaid(batch, results)
	for i, m := range f.members {
		if i < len(members) && members[i].State != m.State && len(batch) == 1 {
			f.became(uint32(i+1), m, batch[0].cmd.GetSetNodeState())
		}
	}
	if !slices.ContainsFunc(batch, unsettles) && !(slices.ContainsFunc(batch, references) && slices.ContainsFunc(batch, unreferences)) {
		for i, row := range f.rows {
			f.dropped(i, rows[i], row)
		}
	}
	for i, row := range f.rows {
		f.marked(i, row)
		f.asked(i, row)
	}
}

// noted takes down what the operator of the quiet phase goes by.
func (f *facts) noted(cmd *record.Command, r *record.Result) {
	switch b := cmd.Body.(type) {
	case *record.Command_CancelSweep:
		f.canceled = f.canceled || r.Kind == 0
	case *record.Command_ChangeLayout:
		f.balanced = r.Kind == 0 && len(b.ChangeLayout.Changes) == 0 || r.Kind != 0 && f.balanced
	case *record.Command_Commit, *record.Command_AppendUpload, *record.Command_Register, *record.Command_RemoveNode, *record.Command_SetNodeState:
		f.balanced = f.balanced && r.Kind != 0
	}
}

// swept follows the sweeps.
func (f *facts) swept() {
	sweeps, err := state.Sweeps(f.w.log.truth.table)
	if err != nil {
		f.w.violated("state", "sweeps: %v", err)
	}
	f.running = nil
	for at := len(sweeps) - 1; at >= 0; at-- {
		s := sweeps[at]
		if s.Number <= f.sweep {
			continue
		}
		if s.State == record.Sweep_RUNNING {
			f.canceled, f.running = false, s.Sweep
			break
		}
		f.w.cover.Sweep(s.State)
		f.sweep = s.Number
	}
}

// relaid follows the layouts, and the redundancies that they have tables for.
func (f *facts) relaid(batch []proposal, results []*record.Result) {
	if f.layout == f.cluster.LayoutVersion && f.tablesFor == f.cluster.AskedRedundancies {
		return
	}
	f.layout, f.tablesFor = f.cluster.LayoutVersion, f.cluster.AskedRedundancies
	row, err := state.LayoutRow(f.w.log.truth.table)
	if err != nil {
		f.w.violated("state", "layout: %v", err)
	}
	undrains := func(p proposal) bool {
		return slices.ContainsFunc(p.cmd.GetChangeLayout().GetChanges(), func(c *pb.NodeChange) bool { return c.Kind == pb.NodeChange_CANCEL_DRAIN })
	}
	if len(batch) == 1 && results[0].Kind == 0 && undrains(batch[0]) && f.tables[string(row.Table)] {
		f.w.cover.Points[cover.DrainRestored]++
	}
	f.tables[string(row.Table)], f.table = true, row
}

// unsettles: the command may end what held when a drop in the same entry was judged.
func unsettles(p proposal) bool {
	switch p.cmd.Body.(type) {
	case *record.Command_Drop:
		return false
	case *record.Command_SetNodeState, *record.Command_ChangeLayout:
		return true
	}
	return takesTrust(p)
}

// references and unreferences: the command may raise a block's redundancy, or lower it.
func references(p proposal) bool {
	return p.cmd.GetCommit() != nil || p.cmd.GetAppendUpload() != nil
}

func unreferences(p proposal) bool { return p.cmd.GetUnreference() != nil }

// dropped: a live block that a copy was dropped of has R trusted ones, on nodes
// whose copies count for placement. R may have risen behind the drop.
func (f *facts) dropped(i int, before, after *record.Block) {
	if before.GetPhase() != record.Block_LIVE || after.GetPhase() != record.Block_LIVE || len(after.Drops) <= len(before.Drops) {
		return
	}
	left := 0
	for _, c := range after.Copies {
		if f.trusted(c) && !slices.Contains(f.cluster.Away, c.Node) {
			left++
		}
	}
	if left < int(min(f.redundancy(before), f.redundancy(after))) {
		f.w.violated("drops", "a copy of %s is dropped, and %d count for placement: %s, away %v", f.w.name(i), left, f.explain(i), f.cluster.Away)
	}
}

// became: a node that is drained holds nothing that counts, and one that may stop
// leaves Q trusted copies of what it holds on nodes that are up.
func (f *facts) became(id uint32, n *record.Node, q *record.SetNodeState) {
	for i, row := range f.rows {
		switch {
		case held(row, id) == nil:
		case n.State == pb.NodeState_NODE_STATE_DRAINED:
			f.w.violated("drained", "node %d is drained, and %s is counted on it: %s", id, f.w.name(i), f.explain(i))
		case n.State == pb.NodeState_NODE_STATE_MAINTENANCE && !q.GetAcceptRisk() && row.Refs > 0:
			left := 0
			for _, c := range row.Copies {
				if c.Node != id && f.trusted(c) && f.members[c.Node-1].State == pb.NodeState_NODE_STATE_UP {
					left++
				}
			}
			if left < f.quorumOf(row) {
				f.w.violated("maintenance", "node %d may stop, and %d copies of %s are left: %s", id, left, f.w.name(i), f.explain(i))
			}
		}
	}
}

// explain says all about a block.
func (f *facts) explain(i int) string {
	text := fmt.Sprintf("row %v, W %s, version %s, files", f.rows[i], unwire(f.cluster.Watermark), versionOf(f.cluster))
	for _, n := range f.w.nodes {
		text += fmt.Sprintf(" %d:%s", n.slot+1, n.files[i].version)
	}
	return text
}

// name is what a block is called in traces.
func (w *world) name(i int) string {
	if i < 0 {
		return "unknown block"
	}
	return fmt.Sprintf("block %c", 'A'+i)
}

// there is the version of the object of a name; zero: there is none.
func (f *facts) there(n told.Name) protocol.Version {
	list, err := state.List(f.w.log.truth.table, &pb.ListRequest{Bucket: n.Bucket, Prefix: n.Name, Limit: 1})
	if err != nil || len(list.Objects) == 0 || list.Objects[0].Name != n.Name {
		return protocol.Version{}
	}
	return unwire(list.Objects[0].Version)
}

// changesNames: the command may begin or end objects.
func changesNames(p proposal) bool {
	switch p.cmd.Body.(type) {
	case *record.Command_Commit, *record.Command_Undelete, *record.Command_Delete, *record.Command_DeletePrefixStep:
		return true
	}
	return false
}

// stay: objects that clients were told of are there, at the version they were told,
// until a client or a delete of a prefix that began later ends them.
func (f *facts) stay() {
	for _, name := range f.told.Names() {
		if there := f.there(name); there != f.told.Version(name) {
			f.w.violated("objects", "%s was stored at %s and is at %s", name, f.told.Version(name), there)
		}
	}
}

// asked: a block's redundancy is no less than what each object that has it asks for.
func (f *facts) asked(i int, row *record.Block) {
	asked := f.told.Asked(f.w.blocks[i].hash, f.cluster.Settings.Redundancy)
	if has := f.redundancy(row); asked > 0 && has < asked {
		f.w.violated("redundancy", "%s is to have %d copies, and an object asks for %d: %s", f.w.name(i), has, asked, f.explain(i))
	}
}

// remember: after a restore, what there is is what was told.
func (f *facts) remember() {
	f.layout, f.sweep = 0, 0
	f.canceled, f.balanced = true, false
	t := f.w.log.truth.table
	jobs, err := state.PrefixJobs(t, true)
	var known []*pb.ObjectInfo
	var asks []*pb.BucketInfo
	for _, bucket := range f.w.shape.buckets {
		list, err2 := state.List(t, &pb.ListRequest{Bucket: bucket, Limit: 100})
		ans, err3 := state.Bucket(t, &pb.BucketGetRequest{Bucket: bucket})
		if err != nil || err2 != nil || err3 != nil {
			f.w.violated("state", "%v %v %v", err, err2, err3)
			return
		}
		known, asks = append(known, list.Objects...), append(asks, ans.Bucket)
	}
	f.told.Restored(known, jobs, asks)
}
