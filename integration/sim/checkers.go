package sim

import (
	"fmt"

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
