package sim

import (
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/integration/sim/cover"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Fault is something that goes wrong, at a rate that the seed draws.
type Fault int

// The faults.
const (
	FaultDrop Fault = iota
	FaultDuplicate
	FaultDelay
	FaultCrash
	FaultCrashMidway
	FaultKill
	FaultVanish
	FaultRollback
	FaultRot
	FaultSync
	FaultElection
	FaultOldLeaderHeard
	FaultMeddling
	FaultRestore
	FaultRemove
	FaultAcceptLoss
	FaultClock
	FaultStall
	FaultClientCrash
	FaultLateOrders
	FaultRestoreSoon
	FaultEcho
	faultEnd
)

var faultNames = [faultEnd]string{
	"message lost", "message repeated", "message late", "node crash", "node crash midway", "node killed", "node vanished", "disk rolled back",
	"bytes rotten", "sync failed", "leader deposed", "old leader heard", "leader meddling", "metadata restored", "node removed", "loss accepted", "clock jumped",
	"client stalled", "client crashed", "orders of a lost future", "metadata restored soon", "a session asked again",
}

// faultRates are the chances of one occasion, times what the seed draws (0 to 2).
// Those from crash to clock have their occasion in chaos.
var faultRates = [faultEnd]float64{
	FaultDrop: 0.05, FaultDuplicate: 0.12, FaultDelay: 0.08, FaultCrash: 0.15, FaultCrashMidway: 0.02, FaultKill: 0.1, FaultVanish: 0.02,
	FaultRollback: 0.12, FaultRot: 0.08, FaultSync: 0.005, FaultElection: 0.2, FaultOldLeaderHeard: 0.3, FaultMeddling: 0.1, FaultRestore: 0.06, FaultRemove: 0.04,
	FaultAcceptLoss: 0.1, FaultClock: 0.3, FaultStall: 0.15, FaultClientCrash: 0.04, FaultLateOrders: 0.4, FaultRestoreSoon: 0.15, FaultEcho: 0.15,
}

// restlessRates are those of a world in which little but restores goes wrong, so
// that blocks live long enough to be in a backup.
var restlessRates = [faultEnd]float64{
	FaultDrop: 0.02, FaultDelay: 0.05, FaultStall: 0.1, FaultLateOrders: 0.8, FaultRestoreSoon: 0.8,
}

// frailRates are those of a world whose disks rot, and whose readers notice: what is
// reported lost is heard late and again, and stored anew meanwhile.
var frailRates = [faultEnd]float64{
	FaultDrop: 0.02, FaultDuplicate: 0.5, FaultDelay: 0.15, FaultKill: 0.02, FaultRot: 0.5, FaultElection: 0.05, FaultOldLeaderHeard: 0.5,
}

// String names the fault.
func (f Fault) String() string {
	if f >= 0 && f < faultEnd {
		return faultNames[f]
	}
	return fmt.Sprintf("fault %d", int(f))
}

// hits tells whether the fault happens on this occasion.
func (w *world) hits(f Fault) bool {
	if w.calm || w.rates[f] == 0 || !w.chance(w.rates[f]) {
		return false
	}
	w.cover.Faults[f]++
	return true
}

// chaos is an occasion for what happens to machines.
func (w *world) chaos() {
	if w.calm {
		return
	}
	w.after(w.shape.pace*int64(10+w.n(60)), w.chaos)
	n := w.nodes[w.n(len(w.nodes))]
	switch {
	case n.up() && w.hits(FaultCrash):
		n.crash("power cut")
	case n.up() && w.hits(FaultKill):
		n.kill()
	case !n.gone && w.hits(FaultVanish):
		n.vanish()
	case !n.gone && n.image != nil && w.hits(FaultRollback):
		n.rollBack()
	case !n.gone && w.hits(FaultRot):
		n.rot()
	case n.up() && w.chance(0.3):
		n.takeImage()
	}
	s := w.servers[w.n(len(w.servers))]
	switch {
	case !s.right && w.hits(FaultElection):
		w.elect(s)
	case s.leading && !s.right && w.chance(0.3):
		s.stepDown()
	}
	if w.hits(FaultClock) {
		s.clock.jump(w)
	}
	w.operate()
}

// Cover counts what happened, in one run or in many.
type Cover struct {
	cover.Cover
	Faults [faultEnd]int
}

// Add adds another run's.
func (c *Cover) Add(o Cover) {
	c.Cover.Add(o.Cover)
	for i := range c.Faults {
		c.Faults[i] += o.Faults[i]
	}
}

// Missing lists what never happened.
func (c *Cover) Missing() []string {
	out := c.Cover.Missing()
	for i, n := range c.Faults {
		if n == 0 {
			out = append(out, Fault(i).String())
		}
	}
	return out
}

// String is a table.
func (c *Cover) String() string {
	text := c.Cover.String()
	for i, n := range c.Faults {
		text += fmt.Sprintf("  fault: %-25s %9d\n", Fault(i), n)
	}
	return text
}

// clock is one machine's: nothing is promised of it.
type clock struct {
	base, rate int64
}

func (c *clock) jump(w *world) {
	rates := []int64{1, 1, 0, -1, 50, -50}
	c.base += int64(w.n(4_000_000)) - 2_000_000
	c.rate = rates[w.n(len(rates))]
}

// epoch keeps clocks above zero.
const epoch = 1_700_000_000_000

func (w *world) clockOf(c *clock) int64 {
	if w.calm {
		// Time passes: whatever was put off is due.
		return epoch + 4_000_000_000 + w.now*1_000_000
	}
	return epoch + c.base + c.rate*w.now
}

// Orders of a future that a restore of the metadata has undone may still be on
// their way, and reach a node before or after it has met the new generation. By
// chance alone that is too rare to be seen, so the network remembers the last
// batches with deletes, and has some of them arrive just then.

// lateBatch is a batch with delete orders on its way to the node at an address.
type lateBatch struct {
	address string
	orders  []*pb.Order
	deliver func()
}

// deletes: the batch is to delete the block.
func (b lateBatch) deletes(h protocol.Hash) bool {
	return containsOrder(b.orders, func(o *pb.Order) bool { return isDelete(o) && string(o.Hash) == string(h[:]) })
}

// lateBatches bounds the batches that are remembered.
const lateBatches = 12

func isDelete(o *pb.Order) bool { return o.Kind == pb.OrderKind_ORDER_KIND_DELETE }

func (w *world) keepLate(b lateBatch) {
	w.late = append(w.late, b)
	w.late = w.late[max(0, len(w.late)-lateBatches):]
}

// undone: the future is lost. Some of its batches arrive some time, the others may
// when their node is ready in the new generation.
func (w *world) undone() {
	w.holding, w.regretting = false, false
	w.ghosts = append(w.ghosts, w.late...)
	w.ghosts = w.ghosts[max(0, len(w.ghosts)-lateBatches):]
	for _, b := range w.late {
		if w.hits(FaultLateOrders) {
			w.after(w.shape.pace*int64(1+w.n(600)), b.deliver)
		}
	}
	w.late = nil
}

// haunt has batches of lost futures arrive at a node that has become ready, or has
// just met the generation: what it counts from before is still as it was.
func (w *world) haunt(n *node) {
	mine := func(b lateBatch) bool { return b.address == n.address }
	for _, b := range w.ghosts {
		if mine(b) && w.hits(FaultLateOrders) {
			w.after(int64(1+w.n(60))*w.shape.pace, b.deliver)
		}
	}
	if n.admitted == w.facts.cluster.Generation && n.met == n.admitted {
		w.ghosts = slices.DeleteFunc(w.ghosts, mine)
	}
}

// A session that has ended may be opened again by a late copy of its own opening,
// and then its requests, late as well, find it open. By chance alone that is too
// rare to be seen, so the network remembers what each client asked, and has the
// opening and the last requests arrive once more, some time after the client left.

// echoes bounds the requests that come again after their opening.
const echoes = 3

// echo has what a client asked under a session that it has left, the opening first,
// arrive once more.
func (w *world) echo(asked []func() *record.Command) {
	if len(asked) < 2 || !w.hits(FaultEcho) {
		return
	}
	again := append(asked[:1:1], asked[max(1, len(asked)-echoes):]...)
	late := w.shape.pace * int64(1+w.n(600))
	for _, request := range again {
		w.after(late, func() {
			if s := w.anyLeader(); s.leading {
				s.propose(request(), func(*record.Result) {})
			}
		})
		late += w.shape.pace * int64(1+w.n(30))
	}
}
