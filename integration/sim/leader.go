package sim

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// server is one metaserver: a replica that lags, and a leader if it believes so.
// What a leader does is what package dispatch does.
type server struct {
	*replica
	w  *world
	id int
	// leading: it believes that it leads; right: it does.
	leading, right bool
	term           uint64
	clock          clock
	cursors        []schedule.Cursor
	links          map[protocol.NodeID]*link
	doubts         []schedule.Ref
	// muteUntil: it answers clients and has not begun a leader's work yet.
	muteUntil int64
}

// link is what a leader knows about a blockserver.
type link struct {
	met       bool
	busyUntil int64
	sent      []schedule.Ref
	answered  []answeredRef
	errands   []*pb.Order
	stray     protocol.Version
	trip      *trip
}

type answeredRef struct {
	ref   schedule.Ref
	until int64
}

func newServer(w *world, id int) *server {
	s := &server{w: w, id: id, replica: w.open(copyOf(w.log.truth.table.View()))}
	s.clock.jump(w)
	w.after(int64(1+w.n(20)), s.advance)
	w.after(int64(5+w.n(20)), s.tick)
	return s
}

// elect makes s the leader that is right. Who led before does not know it yet.
func (w *world) elect(s *server) {
	for _, o := range w.servers {
		o.right = false
	}
	w.log.term++
	w.log.follow(s.replica, len(w.log.entries))
	s.leading, s.right, s.term = true, true, w.log.term
	s.forget()
	w.say("server %d leads term %d", s.id, s.term)
}

func (s *server) forget() {
	s.links, s.cursors, s.doubts = map[protocol.NodeID]*link{}, nil, nil
}

func (s *server) stepDown() {
	s.leading = false
	s.forget()
}

// advance applies some more of the log.
func (s *server) advance() {
	w := s.w
	w.after(w.shape.pace*int64(5+w.n(60)), s.advance)
	applied, _ := s.m.Applied()
	upto := int(applied) + w.n(12)
	if w.calm {
		upto = len(w.log.entries)
	}
	w.log.follow(s.replica, upto)
}

func (s *server) link(n protocol.NodeID) *link {
	l := s.links[n]
	if l == nil {
		l = &link{}
		s.links[n] = l
	}
	return l
}

// tick is one round of a leader.
func (s *server) tick() {
	w := s.w
	w.after(w.shape.pace*int64(8+w.n(30)), s.tick)
	if !s.leading || w.now < s.muteUntil && !w.calm {
		return
	}
	if s.right && (w.calm || w.chance(0.8)) {
		w.log.follow(s.replica, len(w.log.entries))
	}
	obs, ok := s.observe()
	if !ok {
		return
	}
	s.verify(obs)
	plan, err := schedule.Next(s.table, obs)
	if err != nil {
		w.violated("state", "plan: %v", err)
		return
	}
	s.cursors = plan.Cursors
	s.push(obs, plan)
	s.early(plan.Commands)
	for _, c := range plan.Commands {
		s.propose(c, nil)
	}
	s.unreference()
	if w.shape.prefixes {
		s.endPrefixes()
	}
	s.trash()
	s.askCopies()
	s.expire()
	if w.shape.moves {
		s.nurse()
	}
	s.meddle(obs)
	for _, n := range obs.Nodes {
		s.walk(n)
	}
}

// observe looks at the moment.
func (s *server) observe() (obs schedule.Observation, ok bool) {
	w := s.w
	cluster, err := state.ClusterRow(s.table)
	nodes, err2 := state.Nodes(s.table)
	if err != nil || err2 != nil {
		w.violated("state", "observe: %v %v", err, err2)
		return obs, false
	}
	obs = schedule.Observation{
		NowUnixMs: w.clockOf(&s.clock), Chance: w.rng.Uint64(), Generation: cluster.Generation, Term: s.term,
		SessionsSettled: w.calm || w.chance(0.9), Cursors: s.cursors,
	}
	if w.chance(0.5) {
		// Idle sessions are passed over, as far as any version of a while ago.
		obs.YoungFrom = protocol.Version{Generation: cluster.Generation, Counter: cluster.Counter - min(cluster.Counter, uint64(w.n(40)))}
	}
	for i, n := range nodes {
		id := protocol.NodeID(i + 1)
		if n.State == pb.NodeState_NODE_STATE_REMOVED {
			delete(s.links, id)
			continue
		}
		l := s.link(id)
		at := schedule.Node{ID: id, Incarnation: protocol.Incarnation(n.Incarnation), Address: n.Address, Reachable: w.chance(0.9)}
		if w.calm {
			host := w.nodeAt(n.Address)
			at.Reachable = host != nil && host.up()
		}
		if l.met && w.now >= l.busyUntil {
			at.FreeSlots = 1 + w.n(8)
		}
		obs.Nodes = append(obs.Nodes, at)
		obs.InFlight = l.refs(obs.InFlight, id, w.now)
		obs.StrayAbove = obs.StrayAbove.Max(l.stray)
	}
	schedule.SortRefs(obs.InFlight)
	return obs, cluster.Generation > 0
}

func (l *link) refs(out []schedule.Ref, n protocol.NodeID, now int64) []schedule.Ref {
	if now < l.busyUntil {
		out = append(out, l.sent...)
	}
	l.answered = slices.DeleteFunc(l.answered, func(a answeredRef) bool { return a.until <= now })
	for _, a := range l.answered {
		out = append(out, a.ref)
	}
	for _, o := range l.errands {
		out = append(out, schedule.Ref{Hash: protocol.Hash(o.Hash), Node: n})
	}
	return out
}

// complaint is what a reader says, with or without reason: mostly of a copy that it
// was sent to.
func (s *server) complaint() schedule.Ref {
	w := s.w
	h := w.blocks[w.n(len(w.blocks))].hash
	row, _, err := state.BlockRow(s.table, h)
	if err != nil {
		w.violated("state", "%v", err)
	}
	if copies := row.GetCopies(); len(copies) > 0 && w.chance(0.7) {
		return schedule.Ref{Hash: h, Node: protocol.NodeID(copies[w.n(len(copies))].Node)}
	}
	return schedule.Ref{Hash: h, Node: protocol.NodeID(1 + w.n(len(w.nodes)))}
}

// verify has doubted copies looked at.
func (s *server) verify(obs schedule.Observation) {
	w := s.w
	if w.calm || w.chance(0.1) || w.frail && w.chance(0.4) {
		s.doubts = append(s.doubts, s.complaint())
	}
	if len(s.doubts) == 0 {
		return
	}
	schedule.SortRefs(s.doubts)
	batches, err := schedule.Verify(s.table, obs, s.doubts)
	if err != nil {
		w.violated("state", "verify: %v", err)
	}
	s.doubts = nil
	for _, b := range batches {
		s.link(b.Node).hand(b.Orders)
	}
}

// hand gives a node orders beside the plan's.
func (l *link) hand(orders []*pb.Order) {
	for _, o := range orders {
		known := slices.ContainsFunc(l.errands, func(e *pb.Order) bool { return string(e.Hash) == string(o.Hash) })
		if !known {
			l.errands = append(l.errands, o)
		}
	}
}

// push sends each node its batch; an empty one to a node that has not answered
// this leader yet.
func (s *server) push(obs schedule.Observation, plan schedule.Plan) {
	for _, n := range obs.Nodes {
		l := s.link(n.ID)
		if s.w.now < l.busyUntil || !n.Reachable {
			continue
		}
		var orders []*pb.Order
		for _, p := range plan.Orders {
			if p.Node == n.ID {
				orders = p.Orders
			}
		}
		if l.met {
			orders = append(orders, l.errands...)
			l.errands = nil
		}
		if len(orders) > 0 || !l.met {
			s.sendBatch(n, obs, l, orders)
		}
	}
}

func (s *server) sendBatch(n schedule.Node, obs schedule.Observation, l *link, orders []*pb.Order) {
	w := s.w
	q := &pb.OrdersRequest{Generation: obs.Generation, Term: obs.Term, Node: uint32(n.ID), Incarnation: uint64(n.Incarnation)}
	l.sent = nil
	for i, o := range orders {
		q.Orders = append(q.Orders, &pb.Order{Id: uint64(i + 1), Kind: o.Kind, Hash: o.Hash, Version: o.Version, Sources: o.Sources})
		l.sent = append(l.sent, schedule.Ref{Hash: protocol.Hash(o.Hash), Node: n.ID})
		w.cover.Order(o.Kind)
		w.facts.ordered(uint32(n.ID), obs.Generation, o)
	}
	l.busyUntil = w.now + w.shape.pace*200
	if len(orders) > 0 {
		w.say("server %d (term %d) orders node %d: %s", s.id, s.term, n.ID, describeOrders(q.Orders))
	}
	address := n.Address
	epoch := w.log.epoch
	heard := func(ans *pb.OrdersAnswer, err error) {
		if w.log.epoch == epoch {
			s.answer(q, ans, err)
		}
	}
	deliver := func() {
		if host := w.nodeAt(address); host != nil {
			host.carry(q, func(ans *pb.OrdersAnswer, err error) { w.send(func() { heard(ans, err) }) })
		}
	}
	deletes := slices.ContainsFunc(orders, isDelete)
	if deletes {
		w.keepLate(lateBatch{address, orders, deliver})
	}
	if !deletes || !w.holding {
		w.send(deliver)
	}
}

// answer settles what a node says about a batch.
func (s *server) answer(q *pb.OrdersRequest, ans *pb.OrdersAnswer, err error) {
	w := s.w
	if !s.leading {
		return
	}
	n := protocol.NodeID(q.Node)
	l := s.link(n)
	l.busyUntil = w.now
	if err != nil {
		l.met = false
		return
	}
	if ans.Node != q.Node {
		return
	}
	l.met = l.met || q.Term == s.term
	obs, ok := s.observe()
	if !ok {
		return
	}
	commands, err := schedule.Settle(s.table, obs, n, q.Orders, ans.Answers)
	if err != nil {
		w.violated("state", "settle: %v", err)
		return
	}
	for _, c := range commands {
		s.propose(c, nil)
	}
	doubts, err := schedule.Doubts(s.table, n, q.Orders, ans.Answers)
	if err != nil {
		w.violated("state", "doubts: %v", err)
	}
	s.doubts = append(s.doubts, doubts...)
	for _, o := range q.Orders {
		l.answered = append(l.answered, answeredRef{schedule.Ref{Hash: protocol.Hash(o.Hash), Node: n}, w.now + w.shape.pace*10})
	}
}

// propose hands a command to the log, if s is right, or with luck: an entry of a
// deposed leader may have been in the log of the next one. What a leader decided
// by itself may come late, and again.
func (s *server) propose(c *record.Command, done func(*record.Result)) {
	w := s.w
	if !s.right && !w.hits(FaultOldLeaderHeard) {
		return
	}
	c.NowUnixMs = w.clockOf(&s.clock)
	later := w.sameEpoch(func() { w.log.propose(c, nil) })
	switch {
	case done != nil:
		w.log.propose(c, done)
		return
	case w.hits(FaultDelay):
		w.after(w.shape.pace*int64(1+w.n(400)), later)
	default:
		w.log.propose(c, nil)
	}
	if w.hits(FaultDuplicate) {
		w.after(w.shape.pace*int64(1+w.n(400)), later)
	}
}

// sameEpoch forgets what metaservers had in hand when they are restored: those are
// other processes.
func (w *world) sameEpoch(fn func()) func() {
	epoch := w.log.epoch
	return func() {
		if w.log.epoch == epoch {
			fn()
		}
	}
}

// meddle proposes what nothing asks for, and what the rules have to judge.
func (s *server) meddle(obs schedule.Observation) {
	w := s.w
	if !w.hits(FaultMeddling) {
		return
	}
	h := w.blocks[w.n(len(w.blocks))].hash
	switch w.n(3) {
	case 0:
		item := &record.NodeBlock{Hash: h[:], Node: uint32(1 + w.n(len(obs.Nodes)+1))}
		s.propose(&record.Command{Body: &record.Command_Drop{Drop: &record.Drop{Items: []*record.NodeBlock{item}}}}, nil)
	case 1:
		s.propose(&record.Command{Body: &record.Command_Condemn{Condemn: &record.Condemn{Hashes: h[:]}}}, nil)
	case 2:
		s.propose(&record.Command{Body: &record.Command_Reap{Reap: &record.Reap{Upto: wire(s.m.Version()), Hashes: h[:]}}}, nil)
	}
}

func wire(v protocol.Version) *pb.Version {
	return &pb.Version{Generation: v.Generation, Counter: v.Counter}
}

func unwire(v *pb.Version) protocol.Version {
	return protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
}
