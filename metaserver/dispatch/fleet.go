package dispatch

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/schedule"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const (
	// maxDoubts bounds the doubted copies that wait to be made errands, and the
	// errands that a node has before they wait: until then it is given no more than
	// that. Of those that wait, the ones of nodes with so many errands make room for
	// others. What is more is forgotten, and a reader will complain again.
	maxDoubts = 1024
	// failuresUntilSilent is how many batches in a row may fail before a node is
	// planned around.
	failuresUntilSilent = 3
	// maxPaceRest bounds the rest that pace gives a node after one batch.
	maxPaceRest = time.Minute
)

// fleet is what a leadership knows about the blockservers. Its zero value knows
// nothing.
type fleet struct {
	mu      sync.Mutex
	links   map[protocol.NodeID]*link
	cursors []schedule.Cursor
	doubts  []schedule.Ref
	// moments are the versions of the last rounds, oldest first.
	moments []moment
}

type moment struct {
	at      time.Time
	version protocol.Version
}

// momentsKept is how finely the time that writers are left is divided.
const momentsKept = 16

// since returns the version of wait ago, or the oldest known, and remembers the
// present one.
func (f *fleet) since(now time.Time, wait time.Duration, present protocol.Version) protocol.Version {
	if n := len(f.moments); n == 0 || now.Sub(f.moments[n-1].at) >= wait/momentsKept {
		f.moments = append(f.moments, moment{now, present})
	}
	for len(f.moments) > 1 && now.Sub(f.moments[1].at) >= wait {
		f.moments = f.moments[1:]
	}
	return f.moments[0].version
}

// link is what a leadership knows about one blockserver.
type link struct {
	// met: it answered a batch of this leadership since it last failed.
	met bool
	// generation is the highest that it was sent and has answered to.
	generation uint32
	// busy: a batch is in flight, with sent.
	busy bool
	sent []schedule.Ref
	// answered orders, by hash, are not given again before their effect had time to
	// show: until then.
	answered map[protocol.Hash]time.Time
	// credit is how many orders it takes, by its last answer.
	credit   int
	failures int
	rest     time.Time
	// errands are orders that follow from the node's inventory, or from doubts.
	errands errands
	// stray is the highest version of a file of its that waits for W.
	stray protocol.Version
	// walking: a walk of its inventory is under way.
	walking bool
}

// errand is one order of a lot; whoever handed the lot in may wait for its end. It
// was made of the rows of a generation, and is good for no other.
type errand struct {
	order      *pb.Order
	lot        *lot
	generation uint32
}

// terms are what a round sends orders under: rows of this generation, by which
// deletes may be paused, and how many a node takes.
type terms struct {
	generation   uint32
	pauseDeletes bool
	most         int
}

// allow says whether an errand may still be sent.
func (t terms) allow(e errand) bool {
	return e.generation == t.generation && !(t.pauseDeletes && e.order.Kind == pb.OrderKind_ORDER_KIND_DELETE)
}

// errands wait in order, at most one about a block.
type errands struct {
	list []errand
	of   map[protocol.Hash]bool
}

func (e *errands) add(one errand) {
	if e.of == nil {
		e.of = map[protocol.Hash]bool{}
	}
	e.of[protocol.Hash(one.order.Hash)] = true
	e.list = append(e.list, one)
}

// take hands the first n out.
func (e *errands) take(n int) []errand {
	out := e.list[:n:n]
	e.list = e.list[n:]
	for _, one := range out {
		delete(e.of, protocol.Hash(one.order.Hash))
	}
	return out
}

// forget ends those that the terms do not allow, wherever they are in the list.
func (e *errands) forget(t terms) {
	e.list = slices.DeleteFunc(e.list, func(one errand) bool {
		if t.allow(one) {
			return false
		}
		delete(e.of, protocol.Hash(one.order.Hash))
		one.lot.end()
		return true
	})
}

type lot struct {
	left  int
	ended chan struct{}
}

func (l *lot) end() {
	if l.left--; l.left == 0 {
		close(l.ended)
	}
}

func (f *fleet) link(n protocol.NodeID) *link {
	if f.links == nil {
		f.links = map[protocol.NodeID]*link{}
	}
	at := f.links[n]
	if at == nil {
		at = &link{}
		f.links[n] = at
	}
	return at
}

// reachable: the node answers pings and did not fail several batches in a row.
func (l *leading) reachable(n protocol.NodeID) bool {
	l.fleet.mu.Lock()
	silent := l.fleet.link(n).failures >= failuresUntilSilent
	l.fleet.mu.Unlock()
	return !silent && l.sight.reachable(n)
}

// observe looks at the moment. Half of a node's slots are kept for its errands,
// as far as it has any.
func (l *leading) observe(r state.Reader) (schedule.Observation, error) {
	now := time.Now()
	obs := schedule.Observation{
		NowUnixMs: l.cfg.Now().UnixMilli(), Chance: rand.Uint64(), Term: l.term,
		// Low-water marks are rows: this leader has those that the one before had.
		SessionsSettled: true,
	}
	cluster, err := state.ClusterRow(r)
	if err != nil {
		return obs, err
	}
	obs.Generation = cluster.Generation
	nodes, err := state.Nodes(r)
	if err != nil {
		return obs, err
	}
	most := ordersPerNode(cluster)
	l.fleet.mu.Lock()
	defer l.fleet.mu.Unlock()
	obs.Cursors = l.fleet.cursors
	obs.YoungFrom = l.fleet.since(now, l.cfg.Timing.WriterWait, protocol.Version{Generation: cluster.Generation, Counter: cluster.Counter})
	for i, n := range nodes {
		id := protocol.NodeID(i + 1)
		if n.GetState() == pb.NodeState_NODE_STATE_REMOVED {
			delete(l.fleet.links, id)
			continue
		}
		at := l.fleet.link(id)
		free := at.free(now, most)
		obs.Nodes = append(obs.Nodes, schedule.Node{
			ID: id, Incarnation: protocol.Incarnation(n.Incarnation), Address: n.Address, FreeSlots: free - min(len(at.errands.list), (free+1)/2),
			Reachable: at.failures < failuresUntilSilent && l.sight.reachable(id), Full: l.sight.at(id).Full,
		})
		obs.InFlight = at.refs(obs.InFlight, id, now)
		obs.StrayAbove = obs.StrayAbove.Max(at.stray)
	}
	schedule.SortRefs(obs.InFlight)
	return obs, nil
}

func ordersPerNode(c *record.Cluster) int {
	if n := c.GetSettings().GetOrdersPerNode(); n > 0 {
		return int(min(n, schedule.MaxOrdersPerNode))
	}
	return schedule.DefaultOrdersPerNode
}

// free is how many orders the node may be sent now.
func (at *link) free(now time.Time, most int) int {
	if at.busy || !at.met || now.Before(at.rest) {
		return 0
	}
	return min(max(at.credit, 1), most)
}

// refs appends the copies that orders are under way about, and forgets those
// that had their time.
func (at *link) refs(out []schedule.Ref, node protocol.NodeID, now time.Time) []schedule.Ref {
	out = append(out, at.sent...)
	for h, until := range at.answered {
		if now.Before(until) {
			out = append(out, schedule.Ref{Hash: h, Node: node})
		} else {
			delete(at.answered, h)
		}
	}
	for h := range at.errands.of {
		out = append(out, schedule.Ref{Hash: h, Node: node})
	}
	return out
}

// has tells whether an order about the copy is under way.
func (at *link) has(ref schedule.Ref) bool {
	_, answered := at.answered[ref.Hash]
	return answered || at.errands.of[ref.Hash] || slices.Contains(at.sent, ref)
}

// answer notes that an order was answered, whose effect shows until then.
func (at *link) answer(o *pb.Order, until time.Time) {
	if at.answered == nil {
		at.answered = map[protocol.Hash]time.Time{}
	}
	at.answered[protocol.Hash(o.Hash)] = until
}

// laden: the node has so many errands that doubts about its copies wait.
func (at *link) laden() bool { return at != nil && len(at.errands.list) >= maxDoubts }

// begin takes a node that is not busy for one batch: what was planned, then
// errands, numbered. Errands of before a change of generation or a pause end here:
// a walk will find again what is left to do.
func (f *fleet) begin(n protocol.NodeID, planned []*pb.Order, t terms) (orders []*pb.Order, errands []errand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.link(n)
	for _, o := range planned {
		// Errands may have been handed in since the plan was made.
		if !at.has(schedule.Ref{Hash: protocol.Hash(o.Hash), Node: n}) {
			orders = append(orders, o)
		}
	}
	at.errands.forget(t)
	errands = at.errands.take(min(len(at.errands.list), max(0, at.free(time.Now(), t.most)-len(orders))))
	for _, e := range errands {
		orders = append(orders, e.order)
	}
	at.sent = at.sent[:0]
	for i, o := range orders {
		o.Id = uint64(i + 1)
		at.sent = append(at.sent, schedule.Ref{Hash: protocol.Hash(o.Hash), Node: n})
	}
	at.busy = true
	return orders, errands
}

// hand gives a node errands, made of the rows of a generation, and returns what is
// closed when all of them ended.
// One about a copy that another order is under way about ends at once.
func (f *fleet) hand(n protocol.NodeID, orders []*pb.Order, generation uint32) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	lot := &lot{left: 1, ended: make(chan struct{})}
	at := f.link(n)
	for _, o := range orders {
		if !at.has(schedule.Ref{Hash: protocol.Hash(o.Hash), Node: n}) {
			lot.left++
			at.errands.add(errand{o, lot, generation})
		}
	}
	lot.end()
	return lot.ended
}

// superseded has a node sent a batch that names its incarnation: it serves as an
// older one than the log knows, and will register anew.
func (f *fleet) superseded(n protocol.NodeID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.link(n).met = false
}

// drop forgets a node's errands that were not sent.
func (f *fleet) drop(n protocol.NodeID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.link(n)
	for _, e := range at.errands.take(len(at.errands.list)) {
		e.lot.end()
	}
	at.errands = errands{}
}

// doubt remembers copies to be verified.
func (f *fleet) doubt(refs ...schedule.Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range refs {
		switch {
		case len(f.doubts) < maxDoubts:
		case f.links[r.Node].laden():
			continue
		case !f.forgetOne():
			return
		}
		f.doubts = append(f.doubts, r)
	}
}

// forgetOne forgets the oldest doubt of those that cannot become errands now, if
// there is one. The caller holds the lock.
func (f *fleet) forgetOne() bool {
	at := slices.IndexFunc(f.doubts, func(r schedule.Ref) bool { return f.links[r.Node].laden() })
	if at < 0 {
		return false
	}
	f.doubts = slices.Delete(f.doubts, at, at+1)
	return true
}

// takeDoubts hands out, sorted, the doubted copies of nodes that may have more
// errands, and forgets them. The others go on waiting.
func (f *fleet) takeDoubts() []schedule.Ref {
	f.mu.Lock()
	defer f.mu.Unlock()
	var refs, wait []schedule.Ref
	given := map[protocol.NodeID]int{}
	for _, r := range f.doubts {
		has := given[r.Node]
		if at := f.links[r.Node]; at != nil {
			has += len(at.errands.list)
		}
		if has >= maxDoubts {
			wait = append(wait, r)
			continue
		}
		given[r.Node]++
		refs = append(refs, r)
	}
	f.doubts = wait
	schedule.SortRefs(refs)
	return refs
}
