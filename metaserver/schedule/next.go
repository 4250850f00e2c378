package schedule

import (
	"math"
	"slices"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Next plans what is to be done now. It reads r only; errors are r's.
func Next(r state.Reader, obs Observation) (Plan, error) {
	pic, err := look(r)
	if err != nil {
		return Plan{}, err
	}
	obs.Limits = obs.Limits.withDefaults()
	p := &planner{picture: pic, obs: obs}
	p.openBatches()
	for _, class := range []func(*planner) error{
		(*planner).planDeletes, (*planner).planRedundancy, (*planner).planMoves, (*planner).planCondemn, (*planner).planReap, (*planner).planClean,
	} {
		if err := class(p); err != nil {
			return Plan{}, err
		}
	}
	p.closeBatches()
	return p.plan, nil
}

// planner is one call of Next under way.
type planner struct {
	picture
	obs     Observation
	plan    Plan
	batches []batch // in the order of obs.Nodes
}

// batch is what one node is to be sent. Deletes and the rest share its slots:
// neither can take the other's half while the other has use for it.
type batch struct {
	node    *Node
	slots   int
	orders  []*pb.Order
	deletes []*pb.Order
}

// openBatches gives every node that answers its slots.
func (p *planner) openBatches() {
	most := p.obs.Limits.OrdersPerNode
	if n := p.cluster.GetSettings().GetOrdersPerNode(); n > 0 {
		most = int(min(n, MaxOrdersPerNode))
	}
	p.batches = make([]batch, len(p.obs.Nodes))
	for i := range p.obs.Nodes {
		b := &p.batches[i]
		b.node = &p.obs.Nodes[i]
		if b.node.Reachable && p.member(uint32(b.node.ID)) {
			b.slots = max(0, min(b.node.FreeSlots, most))
		}
	}
}

// batch finds a node's; nil for a node that is not known.
func (p *planner) batch(id uint32) *batch {
	if n := p.obs.node(id); n != nil {
		for i := range p.batches {
			if p.batches[i].node.ID == n.ID {
				return &p.batches[i]
			}
		}
	}
	return nil
}

// share is how many slots copies may take: all that deletes leave, at least half.
func (b *batch) share(chance uint64) int {
	if b.slots == 1 && len(b.deletes) > 0 {
		return int(chance & 1)
	}
	return b.slots - min(len(b.deletes), b.slots/2)
}

// closeBatches puts the orders of each node together, numbered.
func (p *planner) closeBatches() {
	for i := range p.batches {
		b := &p.batches[i]
		all := append(b.orders, b.deletes[:min(len(b.deletes), b.slots-len(b.orders))]...)
		if len(all) == 0 {
			continue
		}
		number(all)
		p.plan.Orders = append(p.plan.Orders, NodeOrders{Node: b.node.ID, Address: b.node.Address, Orders: all})
	}
}

// number gives the orders of one batch their ids.
func number(orders []*pb.Order) {
	for i, o := range orders {
		o.Id = uint64(i + 1)
	}
}

// wait counts work that cannot be done now.
func (p *planner) wait(class, lane uint32, count int, why string) {
	if count == 0 {
		return
	}
	for i := range p.plan.Waiting {
		if w := &p.plan.Waiting[i]; w.Class == class && w.Lane == lane && w.Why == why {
			w.Count += count
			return
		}
	}
	if len(p.plan.Waiting) < maxReasons {
		p.plan.Waiting = append(p.plan.Waiting, Waiting{class, lane, count, why})
	}
}

// command adds one to the plan.
func (p *planner) command(c *record.Command) { p.plan.Commands = append(p.plan.Commands, c) }

// later notes that a lane's first row behind from, and all that follow, are due
// some time.
func (p *planner) later(w state.DueWork, from state.Place) error {
	if next := p.plan.NextDueUnixMs; next == 0 || w.DueUnixMs < next {
		p.plan.NextDueUnixMs = w.DueUnixMs
	}
	rows, err := state.Due(p.r, w.Class, w.Lane, math.MaxInt64, from, p.obs.Limits.Count)
	why := "another try, the first in " + p.in(w) + " after " + protocol.Kind(w.Cause).String()
	if w.Class == state.ClassCondemn && w.Attempts == 0 {
		why = "their grace to end, the first in " + p.in(w)
	}
	p.wait(w.Class, w.Lane, len(rows), why)
	return err
}

// in is how far off a row's due time is, by the leader's clock.
func (p *planner) in(w state.DueWork) string {
	return (time.Duration(w.DueUnixMs-p.obs.NowUnixMs) * time.Millisecond).Round(time.Second / 10).String()
}

// verdict says what became of a row that a scan showed.
type verdict int

const (
	// acted: the row is taken care of, by this plan or an order in flight.
	acted verdict = iota
	// blocked: it waits for something; others behind it may not.
	blocked
	// full: there is no room for this lane any more in this plan.
	full
)

// scan shows the due rows of a lane to fn, what never failed first, until fn is
// full or Limits.Scan rows did not lead to anything. It keeps the lane's cursor. Of
// rows that are put off it looks through one page: among them are some that a clock
// which was ahead has put off for longer than they should wait.
func (p *planner) scan(class, lane uint32, fn func(w state.DueWork) (verdict, error)) error {
	from, idle, early := p.obs.cursor(class, lane), 0, 0
pages:
	for {
		rows, err := state.Due(p.r, class, lane, math.MaxInt64, from, scanPage)
		if err != nil {
			return err
		}
		for _, w := range rows {
			if p.putOff(w) {
				if early == 0 {
					if err := p.later(w, from); err != nil {
						return err
					}
				}
				from = state.Place{DueUnixMs: w.DueUnixMs, Hash: w.Hash}
				if early++; early == scanPage {
					// What lies this side of the horizon is left to a later plan.
					from = state.Place{DueUnixMs: p.horizon(class, math.MaxUint32), Hash: lastHash()}
					continue pages
				}
				continue
			}
			v, err := fn(w)
			if err != nil {
				return err
			}
			if v == full {
				p.keepCursor(class, lane)
				return nil
			}
			from = state.Place{DueUnixMs: w.DueUnixMs, Hash: w.Hash}
			if v == blocked {
				idle++
			}
			if idle >= p.obs.Limits.Scan {
				p.plan.Cursors = append(p.plan.Cursors, Cursor{class, lane, from})
				return nil
			}
		}
		if len(rows) < scanPage {
			return nil
		}
	}
}

// putOff tells that a row is due some time, and not yet.
func (p *planner) putOff(w state.DueWork) bool {
	return w.DueUnixMs > p.obs.NowUnixMs && w.DueUnixMs <= p.horizon(w.Class, w.Attempts)
}

// horizon is the latest due time that this leader's clock can have led to for a row
// that failed so many times. One that is due beyond it was written by a leader whose
// clock was ahead, and waits for nothing: it is due now. Clocks that differ by less
// than MaxSkewMs do not shorten anything by that.
func (p *planner) horizon(class, attempts uint32) int64 {
	const most = math.MaxInt64 / 4
	wait := int64(0)
	switch {
	case class == state.ClassCondemn:
		wait = int64(min(p.cluster.GetSettings().GetGraceMs(), most))
	case attempts > 0:
		wait = longestBackoff(attempts - 1)
	}
	return min(p.obs.NowUnixMs, most) + wait + MaxSkewMs
}

// MaxSkewMs is how far apart the clocks of two leaders may be without the waits of
// one being cut short by the other, in milliseconds.
const MaxSkewMs = 60_000

// keepCursor lets the next plan begin where this one did.
func (p *planner) keepCursor(class, lane uint32) {
	if from := p.obs.cursor(class, lane); from != (state.Place{}) {
		p.plan.Cursors = append(p.plan.Cursors, Cursor{class, lane, from})
	}
}

// scanPage is how many index rows are read at a time.
const scanPage = 256

// countLane counts a lane's rows up to Limits.Count, due or not.
func (p *planner) countLane(class, lane uint32) (int, error) {
	rows, err := state.Due(p.r, class, lane, math.MaxInt64, state.Place{}, p.obs.Limits.Count)
	return len(rows), err
}

// waitLane counts a whole lane as waiting for one thing.
func (p *planner) waitLane(class, lane uint32, why string) error {
	count, err := p.countLane(class, lane)
	p.wait(class, lane, count, why)
	return err
}

func turn[T any](list []T, n uint64) []T {
	if len(list) < 2 {
		return list
	}
	at := int(n % uint64(len(list)))
	return slices.Concat(list[at:], list[:at])
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable
// pseudorandom number generators, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func seedOf(h protocol.Hash) uint64 {
	var n uint64
	for _, b := range h[:8] {
		n = n<<8 | uint64(b)
	}
	return n
}

// lastHash is above or equal to every hash.
func lastHash() (h protocol.Hash) {
	for i := range h {
		h[i] = 0xff
	}
	return h
}
