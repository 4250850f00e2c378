package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/integration/sim/cover"
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
	// objects is what clients were told is there, by name; prefixes are the deletes
	// of prefixes, by the version that began them.
	objects  map[string]protocol.Version
	prefixes map[protocol.Version]string
	// tables are the partition tables that there were; layout is the present one's
	// version, sweep the last sweep that was looked at.
	tables        map[string]bool
	layout, sweep uint64
	// table is the present layout, and running the sweep that runs; nil: none does.
	table   *record.Layout
	running *record.Sweep
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
		outcomes: map[string]*outcome{}, objects: map[string]protocol.Version{}, prefixes: map[protocol.Version]string{}, tables: map[string]bool{}, starts: map[string]start{}, cluster: &record.Cluster{},
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
	if !slices.ContainsFunc(batch, unsettles) {
		for i, row := range f.rows {
			f.dropped(i, rows[i], row)
		}
	}
	for i, row := range f.rows {
		f.marked(i, row)
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

// relaid follows the layouts.
func (f *facts) relaid(batch []proposal, results []*record.Result) {
	if f.layout == f.cluster.LayoutVersion {
		return
	}
	f.layout = f.cluster.LayoutVersion
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

// dropped: a live block that a copy was dropped of has R trusted ones, on nodes
// whose copies count for placement.
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
	if left < int(f.cluster.Settings.Redundancy) {
		f.w.violated("drops", "a copy of %s is dropped, and %d count for placement: %s, away %v", f.w.name(i), left, f.explain(i), f.cluster.Away)
	}
}

// became: a node that is drained holds nothing that counts, and one that may stop
// leaves Q trusted copies of what it holds, the nodes that may have stopped before
// left out.
func (f *facts) became(id uint32, n *record.Node, q *record.SetNodeState) {
	for i, row := range f.rows {
		switch {
		case held(row, id) == nil:
		case n.State == pb.NodeState_NODE_STATE_DRAINED:
			f.w.violated("drained", "node %d is drained, and %s is counted on it: %s", id, f.w.name(i), f.explain(i))
		case n.State == pb.NodeState_NODE_STATE_MAINTENANCE && !q.GetAcceptRisk() && row.Refs > 0:
			left := 0
			for _, c := range row.Copies {
				if s := f.members[c.Node-1].State; c.Node != id && f.trusted(c) && s != pb.NodeState_NODE_STATE_MAINTENANCE && s != pb.NodeState_NODE_STATE_DOWN {
					left++
				}
			}
			if left < int(f.cluster.Settings.Quorum) {
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

// told takes down what a client is told of objects, if it was the first time; of a
// step of a delete of a prefix, what it may have ended.
func (f *facts) told(cmd *record.Command, r *record.Result, first bool) {
	if r.Kind != 0 || !first {
		return
	}
	switch b := cmd.Body.(type) {
	case *record.Command_Commit:
		f.objects[b.Commit.Name] = unwire(r.Version)
	case *record.Command_Undelete:
		f.objects[b.Undelete.Name] = unwire(r.Version)
	case *record.Command_Delete:
		for _, item := range b.Delete.Items {
			delete(f.objects, item.Name)
		}
	case *record.Command_DeletePrefix:
		f.prefixes[unwire(r.Version)] = b.DeletePrefix.Prefix
	case *record.Command_DeletePrefixStep:
		upto := unwire(b.DeletePrefixStep.Job)
		for _, name := range f.names() {
			mine := strings.HasPrefix(name, f.prefixes[upto]) && !upto.Less(f.objects[name])
			if there := f.there(name); mine && !r.GetPrefixStep().GetStale() && there != f.objects[name] {
				delete(f.objects, name)
			} else if mine && r.GetPrefixStep().GetDone() {
				f.w.violated("objects", "the delete of prefix %q is done and has left %s at %s", f.prefixes[upto], name, there)
			}
		}
	}
}

func (f *facts) names() []string { return slices.Sorted(maps.Keys(f.objects)) }

// there is the version of the object of a name; zero: there is none.
func (f *facts) there(name string) protocol.Version {
	list, err := state.List(f.w.log.truth.table, &pb.ListRequest{Bucket: bucket, Prefix: name, Limit: 1})
	if err != nil || len(list.Objects) == 0 || list.Objects[0].Name != name {
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
	for _, name := range f.names() {
		if there := f.there(name); there != f.objects[name] {
			f.w.violated("objects", "%s was stored at %s and is at %s", name, f.objects[name], there)
		}
	}
}

// remember: after a restore, what there is is what was told.
func (f *facts) remember() {
	clear(f.objects)
	clear(f.prefixes)
	f.layout, f.sweep = 0, 0
	f.canceled, f.balanced = true, false
	t := f.w.log.truth.table
	list, err := state.List(t, &pb.ListRequest{Bucket: bucket, Limit: 100})
	jobs, err2 := state.PrefixJobs(t, true)
	if err != nil || err2 != nil {
		f.w.violated("state", "%v %v", err, err2)
		return
	}
	for _, o := range list.Objects {
		f.objects[o.Name] = unwire(o.Version)
	}
	for _, j := range jobs {
		f.prefixes[unwire(j.Upto)] = j.Prefix
	}
}
