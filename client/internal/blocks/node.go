package blocks

import (
	"net"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	// minPenalty and maxPenalty bound how long a node that failed is asked last.
	minPenalty = 500 * time.Millisecond
	maxPenalty = 30 * time.Second
	// ewmaWeight is the share of the newest sample in a node's latency.
	ewmaWeight = 0.2
)

// health is what this client has seen of one node. The clock in it only orders
// the nodes; nothing depends on it being right.
type health struct {
	failures int
	until    time.Time
	latency  time.Duration
	inflight int
	// full counts refusals for want of room since the last block that it took, and
	// fullUntil is how long it is written to last. It reads as well as ever.
	full      int
	fullUntil time.Time
}

// roster keeps the health of every node met.
type roster struct {
	mu    sync.Mutex
	nodes map[protocol.NodeID]*health
}

func newRoster() *roster { return &roster{nodes: map[protocol.NodeID]*health{}} }

func (r *roster) at(n protocol.NodeID) *health {
	h := r.nodes[n]
	if h == nil {
		h = &health{}
		r.nodes[n] = h
	}
	return h
}

func (r *roster) begin(n protocol.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at(n).inflight++
}

// end records how an exchange with n went. A canceled one says nothing.
func (r *roster) end(n protocol.NodeID, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.at(n)
	h.inflight--
	switch {
	case err == nil:
		h.failures, h.until = 0, time.Time{}
		if h.latency == 0 {
			h.latency = took
		}
		h.latency += time.Duration(ewmaWeight * float64(took-h.latency))
	case protocol.KindOf(err) == protocol.Full:
		h.full++
		h.fullUntil = time.Now().Add(penalty(h.full))
	case blames(err):
		h.failures++
		h.until = time.Now().Add(penalty(h.failures))
	}
}

// penalty doubles with the failures in a row.
func penalty(failures int) time.Duration {
	return min(minPenalty<<min(failures-1, 6), maxPenalty)
}

// took records that n stored a block.
func (r *roster) took(n protocol.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.at(n)
	h.full, h.fullUntil = 0, time.Time{}
}

// hasRoom tells whether n did not say lately that it is full.
func (r *roster) hasRoom(n protocol.NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.nodes[n]
	return h == nil || !time.Now().Before(h.fullUntil)
}

// blames tells whether err speaks against the node as a whole, rather than
// against one copy or request.
func blames(err error) bool {
	switch protocol.KindOf(err) {
	case protocol.Unavailable, protocol.UnknownOutcome, protocol.NotRegistered, protocol.Disk,
		protocol.WrongCluster, protocol.Internal, protocol.Removed:
		return true
	}
	return false
}

// well tells whether n is not serving a penalty. After one, a single exchange
// at a time goes there until one succeeds: a node that hangs holds up one block
// then, and not a budget full of them.
func (r *roster) well(n protocol.NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.nodes[n]
	return h == nil || h.until.IsZero() || h.inflight == 0 && time.Now().After(h.until)
}

// cost estimates how long n takes: its latency times the requests that wait
// there already. A node never asked costs nothing, so each is tried once.
func (r *roster) cost(n protocol.NodeID) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.nodes[n]
	if h == nil {
		return 0
	}
	return h.latency * time.Duration(1+h.inflight)
}

// localHosts returns the addresses of this machine, by which copies on the same
// host are told.
func localHosts() map[string]bool {
	local := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return local
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			local[n.IP.String()] = true
		}
	}
	return local
}

func (f *Fleet) sameHost(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && f.local[host]
}
