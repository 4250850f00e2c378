package sim

import (
	"fmt"

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
	if !w.emptying() {
		return
	}
	s.setTrash(0)
	w.deleteAll(s)
}

// crowd brings new machines, up to what redundancy asks for.
func (w *world) crowd(members int) {
	coming := 0
	for _, n := range w.nodes {
		if !n.gone {
			coming++
		}
	}
	if coming < int(w.shape.redundancy) && members <= coming {
		w.addNode()
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
	case emptied && c.TrashObjects > 0:
		return fmt.Sprintf("%d objects are in the trash", c.TrashObjects)
	case emptied && c.Objects > 0:
		return fmt.Sprintf("%d objects are left", c.Objects)
	case c.UnreferencedBlocks+c.CondemnedBlocks > 0:
		return fmt.Sprintf("%d unreferenced and %d condemned blocks are left: %s", c.UnreferencedBlocks, c.CondemnedBlocks, f.explainAll())
	case emptied && c.LiveBlocks+c.CountedCopies+c.References+c.LiveStoredBytes+c.CopiesStoredBytes > 0:
		return fmt.Sprintf("nothing is left and the counters say %v", c)
	}
	for i, m := range f.members {
		switch {
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
		if standing < len(row.Copies) || len(row.Drops) > 0 || standing > 0 && standing < min(int(f.cluster.Settings.Redundancy), members) {
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

// operate is an occasion for the operator.
func (w *world) operate() {
	s := w.leader()
	if s == nil {
		return
	}
	id := uint32(1 + w.n(len(w.facts.members)))
	host := w.facts.host(id)
	gone := host != nil && host.gone
	switch {
	case w.chance(0.05) || w.restless && w.chance(0.3):
		w.log.keepBackup()
		if w.hits(FaultRestoreSoon) {
			w.regret(s)
		}
	case w.log.backup != nil && w.hits(FaultRestore):
		w.log.restore()
		w.restartAll()
	case gone && w.chance(0.1) || w.hits(FaultRemove):
		q := &record.RemoveNode{Node: id, AcceptLoss: w.hits(FaultAcceptLoss)}
		s.propose(&record.Command{Body: &record.Command_RemoveNode{RemoveNode: q}}, nil)
	case w.chance(0.1):
		class := uint32(1 + w.n(5))
		s.propose(&record.Command{Body: &record.Command_RetryNow{RetryNow: &record.RetryNow{Class: class, Limit: 10}}}, nil)
	case w.chance(0.2):
		w.crowd(0)
	}
}

// regret: everything is deleted and condemned after a backup, and the backup put
// back while the delete orders are under way.
func (w *world) regret(s *server) {
	w.holding = w.chance(0.7)
	at := int64(0)
	later := func(most int, fn func()) {
		at += w.shape.pace * int64(1+w.n(most))
		w.after(at, w.sameEpoch(func() {
			if !w.calm {
				fn()
			}
		}))
	}
	later(60, func() { w.deleteAll(s) })
	later(120, func() { w.condemnAll(s) })
	later(60, func() { w.deleteAll(s) })
	later(120, func() { w.condemnAll(s) })
	later(150, func() {
		w.log.restore()
		w.restartAll()
	})
}

// condemnAll does not wait for grace: it is no part of what is safe.
func (w *world) condemnAll(s *server) {
	q := &record.Condemn{}
	for _, b := range w.blocks {
		q.Hashes = append(q.Hashes, b.hash[:]...)
	}
	s.propose(&record.Command{Body: &record.Command_Condemn{Condemn: q}}, nil)
}

// deleteAll has a server that leads propose the end of every object it sees.
func (w *world) deleteAll(s *server) {
	list, err := state.List(s.table, &pb.ListRequest{Bucket: bucket, Limit: 100})
	if err != nil {
		w.violated("state", "list: %v", err)
		return
	}
	q := &pb.DeleteRequest{Bucket: bucket}
	for _, o := range list.Objects {
		q.Items = append(q.Items, &pb.DeleteItem{Name: o.Name})
	}
	if len(q.Items) > 0 {
		s.propose(&record.Command{Body: &record.Command_Delete{Delete: q}}, nil)
	}
}

// restartAll has every node start anew some time after the metadata was restored:
// its incarnation is that of a future that was lost.
func (w *world) restartAll() {
	for _, n := range w.nodes {
		starts := n.starts
		w.after(int64(1+w.n(400))*w.shape.pace, func() {
			if n.up() && n.starts == starts {
				n.kill()
			}
		})
	}
}

// highest is above every version that can be given out.
var highest = protocol.Version{Generation: 1<<32 - 1, Counter: 1<<64 - 1}
