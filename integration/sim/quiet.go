package sim

import (
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// quiet stops the faults: the network is good, machines that are there come up,
// those that are not are removed, clients are gone, and in half of the seeds so
// are the objects. Within QuietSteps events nothing dead may be left.
func (w *world) quiet() {
	w.calm, w.draining, w.holding = true, true, false
	w.say("the faults stop")
	for _, c := range w.clients {
		c.life++
	}
	w.after(1, w.sweep)
	why := ""
	for begun := w.step; w.failure == nil && w.step < begun+QuietSteps; {
		w.next()
		if w.step%40 == 0 {
			if why = w.facts.unsettled(w.emptying()); why == "" {
				w.facts.whole()
				return
			}
		}
	}
	w.violated("quiet", "after %d events without faults: %s", QuietSteps, why)
}

// emptying: this seed's objects are all deleted at the end.
func (w *world) emptying() bool { return w.opt.Seed%2 == 0 }

// sweep is the operator's and the last client's part of it.
func (w *world) sweep() {
	w.after(200, w.sweep)
	s := w.leader()
	if s == nil {
		w.elect(w.servers[0])
		return
	}
	members := 0
	for i, m := range w.facts.members {
		host := w.facts.host(uint32(i + 1))
		if m.State == pb.NodeState_NODE_STATE_REMOVED {
			continue
		}
		if host == nil || host.gone {
			s.propose(&record.Command{Body: &record.Command_RemoveNode{RemoveNode: &record.RemoveNode{Node: uint32(i + 1), AcceptLoss: true}}}, nil)
			continue
		}
		members++
	}
	w.crowd(members)
	w.place(s)
	w.resume(s)
	if w.shape.moves {
		w.steady(s)
	}
	if !w.emptying() {
		return
	}
	for _, bucket := range w.shape.buckets {
		s.set(bucket, func(b *pb.BucketInfo) { b.TrashKeepMs = 0 })
		w.deleteAll(s, bucket)
	}
}

// leader is the server that leads and is right; nil if there is none.
func (w *world) leader() *server {
	for _, s := range w.servers {
		if s.right && s.leading {
			return s
		}
	}
	return nil
}

// unsettled says what is still to be done; empty: nothing.
func (f *facts) unsettled(emptied bool) string {
	c := f.cluster.Counters
	switch {
	case c.Sessions+c.Uploads > 0:
		return fmt.Sprintf("%d sessions and %d uploads are open", c.Sessions, c.Uploads)
	case c.UnreferenceJobs > 0:
		return fmt.Sprintf("%d jobs are left", c.UnreferenceJobs)
	case c.PrefixJobs > 0:
		return fmt.Sprintf("%d deletes of prefixes run", c.PrefixJobs)
	case emptied && c.TrashObjects > 0:
		return fmt.Sprintf("%d objects are in the trash", c.TrashObjects)
	case emptied && c.Objects > 0:
		return fmt.Sprintf("%d objects are left", c.Objects)
	case c.UnreferencedBlocks+c.CondemnedBlocks > 0:
		return fmt.Sprintf("%d unreferenced and %d condemned blocks are left: %s", c.UnreferencedBlocks, c.CondemnedBlocks, f.explainAll())
	case c.MovingBlocks > 0:
		return fmt.Sprintf("%d blocks are marked to be moved", c.MovingBlocks)
	case emptied && c.LiveBlocks+c.CountedCopies+c.References+c.LiveStoredBytes+c.CopiesStoredBytes > 0:
		return fmt.Sprintf("nothing is left and the counters say %v", c)
	}
	if number, sweep, err := state.RunningSweep(f.w.log.truth.table); err != nil || sweep != nil {
		return fmt.Sprintf("sweep %d runs, %v", number, err)
	}
	for i, m := range f.members {
		switch {
		case m.State == pb.NodeState_NODE_STATE_JOINING:
			return fmt.Sprintf("node %d is not placed on", i+1)
		case m.State == pb.NodeState_NODE_STATE_DOWN || m.State == pb.NodeState_NODE_STATE_MAINTENANCE || m.State == pb.NodeState_NODE_STATE_DRAINING:
			return fmt.Sprintf("node %d is %s, with %d copies and %d deletes", i+1, state.StateName(m.State), m.Copies, m.OwedDeletes)
		case m.State == pb.NodeState_NODE_STATE_DRAINED && m.Copies+m.OwedDeletes > 0:
			return fmt.Sprintf("node %d is drained, with %d copies and %d deletes", i+1, m.Copies, m.OwedDeletes)
		case m.State == pb.NodeState_NODE_STATE_REMOVED && !m.Cleaned:
			return fmt.Sprintf("records mention node %d, which was removed", i+1)
		case m.State != pb.NodeState_NODE_STATE_REMOVED && m.InventoryDue != nil:
			return fmt.Sprintf("node %d is suspect below %s, incarnation %d", i+1, unwire(m.InventoryDue), m.Incarnation)
		}
	}
	for i, row := range f.rows {
		if why := f.unsettledBlock(i, row); why != "" {
			return why
		}
	}
	if emptied {
		return f.leftovers()
	}
	return f.outOfLine()
}

// outOfLine: every live block stands on its target set and nowhere else, as far as
// there are R targets, and no layout before the present one is waited for.
func (f *facts) outOfLine() string {
	if !f.w.shape.moves || f.cluster.Counters.LiveBlocks == 0 {
		return ""
	}
	if !f.balanced {
		return "the nodes are still to be balanced"
	}
	placing, err := state.PlacingOf(f.w.log.truth.table)
	history, err2 := state.LayoutHistory(f.w.log.truth.table)
	if err != nil || err2 != nil {
		f.w.violated("state", "%v %v", err, err2)
		return ""
	}
	for i, row := range f.rows {
		if row == nil || len(row.Copies) == 0 {
			continue
		}
		targets := placing.Wanted(f.w.blocks[i].hash[:], row)
		lacks := slices.ContainsFunc(targets, func(node uint32) bool { return held(row, node) == nil })
		if full := len(targets) == int(placing.RedundancyOf(row)); lacks || full && len(row.Copies) > len(targets) {
			return fmt.Sprintf("%s is to stand on %v: %s", f.w.name(i), targets, f.explain(i))
		}
	}
	for _, l := range history.Layouts[1:] {
		if l.State != "retired" {
			return fmt.Sprintf("layout %d is %s", l.LayoutVersion, l.State)
		}
	}
	return ""
}

// unsettledBlock: a live block has R copies, if there is any and as far as there
// are nodes, and every file is counted.
func (f *facts) unsettledBlock(i int, row *record.Block) string {
	members := 0
	for id := range f.members {
		if f.member(uint32(id + 1)) {
			members++
		}
	}
	if row != nil {
		standing := f.standing(row, i)
		if standing < len(row.Copies) || len(row.Drops) > 0 || standing > 0 && standing < min(int(f.redundancy(row)), members) {
			return fmt.Sprintf("%s has %d copies that exist: %s", f.w.name(i), standing, f.explain(i))
		}
	}
	for _, n := range f.w.nodes {
		if n.gone || n.files[i].version.IsZero() || f.host(uint32(n.id)) == n && !f.member(uint32(n.id)) {
			continue
		}
		if !n.up() || f.host(uint32(n.id)) != n || held(row, uint32(n.id)) == nil {
			return fmt.Sprintf("node %d (ready %t) keeps a stray file of %s: %s", n.slot+1, n.ready, f.w.name(i), f.explain(i))
		}
	}
	return ""
}

// leftovers looks for work and files that belong to nothing.
func (f *facts) leftovers() (why string) {
	err := state.ScanWork(f.w.log.truth.table, 0, func(d state.DueWork) bool {
		why = fmt.Sprintf("work is left: %+v", d)
		return false
	})
	if err != nil {
		f.w.violated("state", "%v", err)
	}
	for _, n := range f.w.nodes {
		if f.host(uint32(n.id)) == n && f.member(uint32(n.id)) && n.up() && n.store.Disks()[0].Quarantined+n.store.Disks()[0].Blocks > 0 {
			why = fmt.Sprintf("node %d counts %+v", n.slot+1, n.store.Disks()[0])
		}
	}
	return why
}

func (f *facts) explainAll() (text string) {
	for i, row := range f.rows {
		if row != nil && row.Phase != record.Block_LIVE {
			text += f.w.name(i) + ": " + f.explain(i) + "; "
		}
	}
	return text
}

// highest is above every version that can be given out.
var highest = protocol.Version{Generation: 1<<32 - 1, Counter: 1<<64 - 1}
