package sim

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

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
	case !w.regretting && (w.chance(0.05) || w.restless && w.chance(0.3)):
		if w.hits(FaultRestoreSoon) {
			w.regret(s)
		} else {
			w.log.keepBackup()
		}
	case w.log.backup != nil && w.hits(FaultRestore):
		w.putBack()
	case gone && w.chance(0.1) || w.hits(FaultRemove):
		q := &record.RemoveNode{Node: id, AcceptLoss: w.hits(FaultAcceptLoss)}
		s.propose(&record.Command{Body: &record.Command_RemoveNode{RemoveNode: q}}, nil)
	case w.chance(0.1):
		class := uint32(1 + w.n(5))
		s.propose(&record.Command{Body: &record.Command_RetryNow{RetryNow: &record.RetryNow{Class: class, Limit: 10}}}, nil)
	case w.chance(0.2):
		w.resume(s)
		w.crowd(0)
	default:
		w.place(s)
	}
	if w.shape.moves && w.chance(0.4) {
		w.anyLeader().arrange()
	}
}

// regret: everything is deleted and condemned after a backup, and the backup put
// back while the delete orders are under way. In half of them the same was done
// before the backup, so that what is stored after it is news to what is put back.
func (w *world) regret(s *server) {
	w.regretting = true
	at := int64(0)
	later := func(most int, fn func()) {
		at += w.shape.pace * int64(1+w.n(most))
		w.after(at, w.sameEpoch(func() {
			if !w.calm {
				fn()
			}
		}))
	}
	clear := func() {
		later(60, func() {
			for _, bucket := range w.shape.buckets {
				w.deleteAll(s, bucket)
			}
		})
		later(120, func() { w.condemnAll(s) })
	}
	if w.chance(0.5) {
		clear()
	}
	later(20, func() {
		w.log.keepBackup()
		w.holding = w.chance(0.7)
	})
	later(250, func() {})
	clear()
	clear()
	later(150, w.putBack)
}

// putBack restores the metadata. Clients that had stored all and not yet asked for
// it to be named go on as if nothing had happened.
func (w *world) putBack() {
	w.log.restore()
	w.restartAll()
	for _, c := range w.clients {
		for range 3 {
			w.after(w.shape.pace*int64(1+w.n(120)), c.mine(c.recall))
		}
	}
}

// condemnAll does not wait for grace: it is no part of what is safe.
func (w *world) condemnAll(s *server) {
	q := &record.Condemn{}
	for _, b := range w.blocks {
		q.Hashes = append(q.Hashes, b.hash[:]...)
	}
	s.propose(&record.Command{Body: &record.Command_Condemn{Condemn: q}}, nil)
}

// deleteAll has a server that leads propose the end of every object it sees in a
// bucket.
func (w *world) deleteAll(s *server, bucket string) {
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

// place has the layout take in the nodes that wait for it.
func (w *world) place(s *server) {
	var changes []*pb.NodeChange
	for i, m := range w.facts.members {
		if m.State == pb.NodeState_NODE_STATE_JOINING {
			changes = append(changes, &pb.NodeChange{Node: uint32(i + 1), Kind: pb.NodeChange_ADD})
		}
	}
	if len(changes) > 0 {
		s.change(changes...)
	}
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

// change proposes a change of the layout, planned on what the server has; without
// changes the nodes are balanced anew. One that cannot be planned is proposed all
// the same: apply has to refuse it.
func (s *server) change(changes ...*pb.NodeChange) {
	q := &record.ChangeLayout{Changes: changes, Algorithm: state.LayoutAlgorithm, TableDigest: make([]byte, protocol.HashSize)}
	cluster, err := state.ClusterRow(s.table)
	if err != nil {
		s.w.violated("state", "%v", err)
		return
	}
	q.IfLayoutVersion = cluster.LayoutVersion
	if plan, err := state.PlanLayout(s.table, changes); err == nil {
		q.TableDigest = plan.TableDigest
	}
	s.propose(&record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: q}}, nil)
}

// zones are what nodes and operators draw zones from.
var zones = []string{"x", "y", "z"}

// arrange has an operator change what placement goes by, with a leader that may
// have been deposed.
func (s *server) arrange() {
	w := s.w
	nodes, err := state.Nodes(s.table)
	if err != nil || !s.leading || len(nodes) == 0 {
		return
	}
	id := uint32(1 + w.n(len(nodes)))
	at := &pb.NodeChange{Node: id}
	switch n := nodes[id-1]; {
	case w.chance(0.15):
		s.cancelSweep()
		return
	case w.chance(0.15):
		s.change()
		return
	case w.chance(0.1):
		at.Kind, at.Weight = pb.NodeChange_WEIGHT, uint64(w.n(4))
	case w.chance(0.1):
		at.Kind, at.Zone = pb.NodeChange_ZONE, zones[w.n(len(zones))]
	case n.State == pb.NodeState_NODE_STATE_UP && w.chance(0.5):
		s.become(id, n, pb.NodeState_NODE_STATE_MAINTENANCE, false)
		return
	case n.State == pb.NodeState_NODE_STATE_MAINTENANCE && w.chance(0.5):
		s.become(id, n, pb.NodeState_NODE_STATE_UP, false)
		return
	case n.State == pb.NodeState_NODE_STATE_DRAINING || n.State == pb.NodeState_NODE_STATE_DRAINED:
		at.Kind = pb.NodeChange_CANCEL_DRAIN
	default:
		at.Kind = pb.NodeChange_DRAIN
	}
	s.change(at)
}

func (s *server) cancelSweep() {
	number, sweep, err := state.RunningSweep(s.table)
	if err != nil {
		s.w.violated("state", "sweep: %v", err)
	}
	if sweep != nil {
		s.propose(&record.Command{Body: &record.Command_CancelSweep{CancelSweep: &record.CancelSweep{Sweep: number}}}, nil)
	}
}

// become proposes what a node is to be, decided on what the server has of it.
func (s *server) become(id uint32, n *record.Node, to pb.NodeState, away bool) {
	risk := to == pb.NodeState_NODE_STATE_MAINTENANCE && s.w.chance(0.2)
	s.propose(&record.Command{Body: &record.Command_SetNodeState{SetNodeState: &record.SetNodeState{
		Node: id, State: to, IfState: n.State, IfIncarnation: n.Incarnation, Away: away, AcceptRisk: risk,
	}}}, nil)
}

// nurse has the leader take down what it thinks has become of the nodes: anything
// at all, until the faults stop.
func (s *server) nurse() {
	w := s.w
	nodes, err := state.Nodes(s.table)
	if err != nil {
		w.violated("state", "nodes: %v", err)
	}
	if !w.calm && w.chance(0.05) {
		s.cancelSweep()
	}
	if !w.calm && w.chance(0.2) {
		s.dropOne()
	}
	for i, n := range nodes {
		if w.calm {
			s.heal(uint32(i+1), n)
			continue
		}
		settled := n.State == pb.NodeState_NODE_STATE_UP
		if !w.chance(0.03) && (settled || !w.chance(0.15)) {
			continue
		}
		switch n.State {
		case pb.NodeState_NODE_STATE_UP:
			s.become(uint32(i+1), n, pb.NodeState_NODE_STATE_DOWN, false)
		case pb.NodeState_NODE_STATE_DOWN:
			if w.chance(0.5) {
				s.become(uint32(i+1), n, pb.NodeState_NODE_STATE_UP, false)
			} else {
				s.become(uint32(i+1), n, pb.NodeState_NODE_STATE_DOWN, true)
			}
		case pb.NodeState_NODE_STATE_DRAINING:
			s.become(uint32(i+1), n, pb.NodeState_NODE_STATE_DRAINED, false)
		}
	}
}

// dropOne proposes to drop some copy that is counted, needed or not.
func (s *server) dropOne() {
	w := s.w
	h := w.blocks[w.n(len(w.blocks))].hash
	row, _, err := state.BlockRow(s.table, h)
	if err != nil {
		w.violated("state", "%v", err)
	}
	if copies := row.GetCopies(); len(copies) > 0 {
		item := &record.NodeBlock{Hash: h[:], Node: copies[w.n(len(copies))].Node}
		s.propose(&record.Command{Body: &record.Command_Drop{Drop: &record.Drop{Items: []*record.NodeBlock{item}}}}, nil)
	}
}

// heal takes down what is the case.
func (s *server) heal(id uint32, n *record.Node) {
	host := s.w.nodeAt(n.Address)
	switch {
	case host == nil || !host.up():
	case n.State == pb.NodeState_NODE_STATE_DOWN, n.State == pb.NodeState_NODE_STATE_MAINTENANCE:
		s.become(id, n, pb.NodeState_NODE_STATE_UP, false)
	case n.State == pb.NodeState_NODE_STATE_DRAINING && n.Copies+n.OwedDeletes == 0:
		s.become(id, n, pb.NodeState_NODE_STATE_DRAINED, false)
	}
}

// steady is the operator's part of the quiet phase: drains are left to end, or
// canceled where that is this seed's way or too few nodes remain; a sweep that was
// canceled is made up for; and when all is done, the nodes are balanced once, since
// nothing else moves what writers put on spares.
func (w *world) steady(s *server) {
	f := &w.facts
	var undrain []*pb.NodeChange
	placed, waits := 0, false
	for i, m := range f.members {
		// While a node is suspect, what is found elsewhere is counted there.
		waits = waits || f.member(uint32(i+1)) && m.InventoryDue != nil
		switch m.State {
		case pb.NodeState_NODE_STATE_UP:
			placed++
		case pb.NodeState_NODE_STATE_DOWN, pb.NodeState_NODE_STATE_MAINTENANCE:
			placed, waits = placed+1, true
		case pb.NodeState_NODE_STATE_JOINING:
			waits = true
		case pb.NodeState_NODE_STATE_DRAINING, pb.NodeState_NODE_STATE_DRAINED:
			waits = waits || m.State == pb.NodeState_NODE_STATE_DRAINING
			undrain = append(undrain, &pb.NodeChange{Node: uint32(i + 1), Kind: pb.NodeChange_CANCEL_DRAIN})
		}
	}
	_, sweep, err := state.RunningSweep(w.log.truth.table)
	if err != nil {
		w.violated("state", "%v", err)
	}
	c := f.cluster.Counters
	idle := !waits && c.MovingBlocks+c.Sessions+c.Uploads+c.UnreferenceJobs == 0
	switch {
	case len(undrain) > 0 && (w.opt.Seed%3 == 0 || placed < w.most() && !slices.ContainsFunc(f.members, isJoining)):
		s.change(undrain...)
	case sweep == nil && (f.canceled || idle && !f.balanced && c.LiveBlocks > 0):
		s.change()
	}
}

// most is how many nodes the block that asks for the most copies needs.
func (w *world) most() int {
	most := w.shape.redundancy
	for _, row := range w.facts.rows {
		most = max(most, w.facts.redundancy(row))
	}
	return int(most)
}

func isJoining(n *record.Node) bool { return n.State == pb.NodeState_NODE_STATE_JOINING }

// heldBack are the classes that a restore pauses: in most of them none, so that what
// goes on at once after one is tried as well.
func (w *world) heldBack() uint32 {
	if w.chance(0.75) {
		return 0
	}
	return state.HeldByRestore
}

// resume ends every pause, as an operator who has looked.
func (w *world) resume(s *server) {
	c, err := state.ClusterRow(s.table)
	if err != nil {
		w.violated("state", "settings: %v", err)
	}
	if settings := c.GetSettings(); settings.GetPausedClasses() != 0 {
		settings.PausedClasses = 0
		s.propose(&record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{Settings: settings, IfVersion: c.SettingsVersion}}}, nil)
	}
}
