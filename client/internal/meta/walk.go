package meta

import (
	"slices"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// walk is one request's way through the endpoints, round by round. In each round
// an endpoint is asked once; those that are silent come last, whoever names them
// the leader. A server that stopped, or is cut off, lets every attempt time out,
// while the followers that it had go on naming it until they elect another.
type walk struct {
	group *Group
	addr  string
	hops  int
	// asked are the endpoints of this round.
	asked []string
	// probes counts attempts at silent ones.
	probes int
}

// newWalk begins with the endpoint that answered last, unless it is silent.
func (g *Group) newWalk() *walk {
	w := &walk{group: g}
	first := g.prefer("")
	if g.isSilent(first) {
		first = g.next(first, nil)
	}
	w.arrive(first)
	return w
}

func (w *walk) arrive(addr string) {
	w.addr = addr
	if !slices.Contains(w.asked, addr) {
		w.asked = append(w.asked, addr)
	}
}

// timeout is what the attempt at the present address may take, the attempts before
// it given. A silent server has little time at first, and more each time, since it
// may be only slow.
func (w *walk) timeout(attempts int) time.Duration {
	full := w.group.cfg.AttemptTimeout
	if w.group.isSilent(w.addr) {
		w.probes++
		return min(full, probeTimeout<<min(w.probes-1, maxProbeDoublings))
	}
	if attempts == 0 {
		return min(full, firstTimeout)
	}
	return full
}

// follow moves on to the next address. It reports whether to go there at once:
// after a leader was named, and only MaxHops times in a row.
func (w *walk) follow(err error) bool {
	e := protocol.AsError(err)
	if e.Kind == protocol.NotLeader && e.Leader != "" && e.Leader != w.addr && w.hops < MaxHops {
		w.hops++
		w.group.Learn([]string{e.Leader})
		if w.group.isSilent(e.Leader) {
			w.arrive(w.beyond(w.addr))
		} else {
			w.arrive(e.Leader)
		}
		return true
	}
	if e.Kind != protocol.Busy {
		w.skip()
	}
	w.hops = 0
	return false
}

// skip moves on to the next endpoint.
func (w *walk) skip() {
	w.hops = 0
	w.arrive(w.beyond(w.addr))
}

// beyond is the endpoint after addr in this round, or the first of the next one.
func (w *walk) beyond(addr string) string {
	next := w.group.next(addr, w.asked)
	if next == "" {
		w.asked = w.asked[:0]
		next = w.group.next(addr, nil)
	}
	return next
}

// next returns the endpoint that follows addr, in their order, among those that
// are not asked yet: one that is not silent if there is one, and "" if none is left.
func (g *Group) next(addr string, asked []string) (next string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(g.endpoints, addr)
	for i := range g.endpoints {
		e := g.endpoints[(at+1+i)%len(g.endpoints)]
		if slices.Contains(asked, e) {
			continue
		}
		if _, silent := g.silent[e]; !silent {
			return e
		}
		if next == "" {
			next = e
		}
	}
	return next
}

const (
	// probeTimeout bounds the first attempt of a request at a silent server; it
	// doubles with each further one.
	probeTimeout = 250 * time.Millisecond
	// maxProbeDoublings keeps the doubling within a Duration.
	maxProbeDoublings = 10
)

// fellSilent remembers that an attempt at addr timed out.
func (g *Group) fellSilent(addr string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.silent == nil {
		g.silent = map[string]struct{}{}
	}
	// Only endpoints are asked, and they are at most MaxEndpoints.
	if slices.Contains(g.endpoints, addr) {
		g.silent[addr] = struct{}{}
	}
}

// spoke remembers that addr answered, whatever it said.
func (g *Group) spoke(addr string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.silent, addr)
}

func (g *Group) isSilent(addr string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, silent := g.silent[addr]
	return silent
}
