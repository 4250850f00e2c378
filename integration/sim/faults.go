package sim

import "fmt"

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
	faultEnd
)

var faultNames = [faultEnd]string{
	"message lost", "message repeated", "message late", "node crash", "node crash midway", "node killed", "node vanished", "disk rolled back",
	"bytes rotten", "sync failed", "leader deposed", "old leader heard", "leader meddling", "metadata restored", "node removed", "loss accepted", "clock jumped",
	"client stalled", "client crashed", "orders of a lost future", "metadata restored soon",
}

// faultRates are the chances of one occasion, times what the seed draws (0 to 2).
// Those from crash to clock have their occasion in chaos.
var faultRates = [faultEnd]float64{
	FaultDrop: 0.05, FaultDuplicate: 0.12, FaultDelay: 0.08, FaultCrash: 0.15, FaultCrashMidway: 0.02, FaultKill: 0.1, FaultVanish: 0.02,
	FaultRollback: 0.12, FaultRot: 0.08, FaultSync: 0.005, FaultElection: 0.2, FaultOldLeaderHeard: 0.3, FaultMeddling: 0.1, FaultRestore: 0.06, FaultRemove: 0.04,
	FaultAcceptLoss: 0.1, FaultClock: 0.3, FaultStall: 0.15, FaultClientCrash: 0.04, FaultLateOrders: 0.4, FaultRestoreSoon: 0.15,
}

// restlessRates are those of a world in which little but restores goes wrong, so
// that blocks live long enough to be in a backup.
var restlessRates = [faultEnd]float64{
	FaultDrop: 0.02, FaultDelay: 0.05, FaultStall: 0.1, FaultLateOrders: 0.8, FaultRestoreSoon: 0.8,
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
