package sim

import (
	"math"

	"github.com/seed-7d21a5b5/ashlar/integration/sim/cover"
	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// trip is one walk through a node's inventory.
type trip struct {
	from        protocol.Hash
	due         *pb.Version
	incarnation uint64
	waits       protocol.Version
	clean       bool
	tries       int
	until       int64
	asked       uint64
}

// rejudge is how often a page of a suspect node is judged again before the walk
// goes on and the inventory has to be taken anew.
const rejudge = 3

// lastHash is above or equal to every hash.
func lastHash() (h protocol.Hash) {
	for i := range h {
		h[i] = 0xff
	}
	return h
}

// row is a member's row in the server's view; nil if it is none.
func (s *server) row(id protocol.NodeID) *record.Node {
	nodes, err := state.Nodes(s.table)
	if err != nil || int(id) > len(nodes) || nodes[id-1].State == pb.NodeState_NODE_STATE_REMOVED {
		return nil
	}
	return nodes[id-1]
}

// walk begins a walk, goes on with one whose time is over, or leaves it.
func (s *server) walk(n schedule.Node) {
	w := s.w
	l := s.link(n.ID)
	row := s.row(n.ID)
	if row == nil || !l.met || !n.Reachable {
		l.trip = nil
		return
	}
	if l.trip == nil {
		if row.InventoryDue == nil && !w.calm && !w.chance(0.3) {
			return
		}
		l.trip = &trip{due: row.InventoryDue, incarnation: row.Incarnation, clean: true}
	} else if w.now < l.trip.until {
		return
	}
	t := l.trip
	if row.Incarnation != t.incarnation || unwire(row.InventoryDue) != unwire(t.due) {
		l.trip = nil
		return
	}
	t.until = w.now + w.shape.pace*100
	t.asked++
	s.ask(n.ID, row.Address, t, t.asked)
}

func (s *server) ask(id protocol.NodeID, address string, t *trip, asked uint64) {
	w := s.w
	limit := 1 + w.n(4)
	from := t.from
	w.send(func() {
		host := w.nodeAt(address)
		if host == nil {
			return
		}
		page := host.inventory(from, limit)
		if page == nil {
			return
		}
		w.send(func() {
			if l := s.links[id]; s.leading && l != nil && l.trip == t && t.asked == asked {
				s.judge(id, l, page)
			}
		})
	})
}

// judge takes one page.
func (s *server) judge(id protocol.NodeID, l *link, page *pb.InventoryPage) {
	w := s.w
	t := l.trip
	if protocol.NodeID(page.Node) != id || page.Incarnation != t.incarnation {
		// The next batch tells the node that it has to register anew.
		l.trip, l.met = nil, false
		return
	}
	to := lastHash()
	if len(page.Next) > 0 {
		to = protocol.Hash(page.Next)
	}
	obs, ok := s.observe()
	if !ok {
		return
	}
	walk, err := schedule.Strays(s.table, obs, id, page, t.from, to)
	if err != nil {
		w.violated("state", "strays: %v", err)
		return
	}
	walk = w.opt.Mutant.walk(s, page, walk)
	w.cover.Points[cover.Stray] += walk.Strays
	t.waits = t.waits.Max(walk.Waits)
	for _, c := range walk.Commands {
		s.propose(c, nil)
	}
	l.hand(walk.Orders)
	t.asked++
	t.until = w.now
	if t.due != nil && walk.Open > 0 && t.tries < rejudge {
		t.tries++
		t.until = w.now + w.shape.pace*40
		return
	}
	t.clean = t.clean && walk.Open == 0
	if t.from, t.tries = walk.Upto, 0; t.from != lastHash() {
		return
	}
	s.arrive(id, l, t)
}

// arrive ends a walk.
func (s *server) arrive(id protocol.NodeID, l *link, t *trip) {
	l.trip, l.stray = nil, t.waits
	if t.due != nil && t.clean {
		s.propose(&record.Command{Body: &record.Command_InventoryTaken{
			InventoryTaken: &record.InventoryTaken{Node: uint32(id), Due: t.due},
		}}, nil)
	}
}

// unreference takes references of ended objects back, a few at a time.
func (s *server) unreference() {
	w := s.w
	jobs, err := state.Jobs(s.table, 1+w.n(4))
	if err != nil {
		w.violated("state", "jobs: %v", err)
		return
	}
	plan := &record.Unreference{}
	for _, j := range jobs {
		plan.Steps = append(plan.Steps, &record.UnreferenceStep{
			Job: wire(j.Job), Cursor: j.Cursor, Count: uint32(1 + w.n(int(j.Left))),
		})
	}
	if len(plan.Steps) > 0 {
		s.propose(&record.Command{Body: &record.Command_Unreference{Unreference: plan}}, nil)
	}
}

// endPrefixes carries deletes of prefixes on, a name or two at a time. Now and then
// an operator stops one.
func (s *server) endPrefixes() {
	w := s.w
	jobs, err := state.PrefixJobs(s.table, false)
	if err != nil {
		w.violated("state", "prefixes: %v", err)
	}
	for _, j := range jobs {
		if !w.calm && w.chance(0.4) {
			continue
		}
		if !w.calm && w.chance(0.1) {
			s.propose(&record.Command{Body: &record.Command_CancelPrefixJob{CancelPrefixJob: &record.CancelPrefixJob{Job: j.Upto}}}, nil)
			continue
		}
		s.propose(&record.Command{Body: &record.Command_DeletePrefixStep{DeletePrefixStep: &record.DeletePrefixStep{
			Job: j.Upto, Cursor: j.Cursor, Count: uint32(1 + w.n(2)),
		}}}, nil)
	}
}

// trash takes what is due out of the trash, by a clock that means nothing. Now and
// then an operator empties some of it before, or turns the trash on or off.
func (s *server) trash() {
	w := s.w
	if w.shape.keepMs == 0 {
		return
	}
	if !w.draining && w.chance(0.05) {
		s.set(w.bucket(), func(b *pb.BucketInfo) { b.TrashKeepMs = uint64(w.n(4)) * w.shape.keepMs })
	}
	now := w.clockOf(&s.clock)
	if w.chance(0.05) {
		now = math.MaxInt64 - 1
	}
	due, err := state.DueTrash(s.table, now, 1+w.n(4))
	if err != nil {
		w.violated("state", "trash: %v", err)
	}
	c, err := state.ClusterRow(s.table)
	if err != nil || state.IsPaused(c, state.PausedNames) {
		return
	}
	if len(due) > 0 {
		s.propose(&record.Command{Body: &record.Command_EmptyTrash{EmptyTrash: &record.EmptyTrash{Items: due, IfGeneration: c.GetGeneration()}}}, nil)
	}
}

// askCopies has some bucket ask for another redundancy.
func (s *server) askCopies() {
	w := s.w
	if len(w.shape.copies) > 0 && !w.draining && w.chance(0.08) {
		s.set(w.bucket(), func(b *pb.BucketInfo) { b.Redundancy = w.shape.copies[w.n(len(w.shape.copies))] })
	}
}

// set changes what is set of a bucket.
func (s *server) set(bucket string, change func(*pb.BucketInfo)) {
	ans, err := state.Bucket(s.table, &pb.BucketGetRequest{Bucket: bucket})
	if err != nil {
		s.w.violated("state", "bucket: %v", err)
		return
	}
	b := ans.Bucket
	keeps, copies := b.TrashKeepMs, b.Redundancy
	if change(b); b.TrashKeepMs != keeps || b.Redundancy != copies {
		s.propose(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{
			Bucket: bucket, TrashKeepMs: b.TrashKeepMs, Redundancy: b.Redundancy, IfVersion: b.Version,
		}}}, nil)
	}
}

// expire ends sessions that seem idle, by a clock that means nothing.
func (s *server) expire() {
	w := s.w
	if !w.calm && !w.chance(0.04) {
		return
	}
	sessions, err := state.Sessions(s.table, protocol.ID{}, 100)
	if err != nil {
		w.violated("state", "sessions: %v", err)
		return
	}
	for _, at := range sessions {
		idle := w.clockOf(&s.clock) - at.RenewedUnixMs
		if idle < 300 || !w.calm && !w.chance(0.2) {
			continue
		}
		s.propose(&record.Command{Body: &record.Command_CloseSession{CloseSession: &record.CloseSession{
			Session: at.Session[:], Expire: true, IfHighest: at.Highest, IfUses: at.Uses,
		}}}, nil)
	}
}
