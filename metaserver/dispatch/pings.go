package dispatch

import (
	"context"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// pingFailures is how many pings in a row must fail before a node counts as
// unreachable: one lost packet is no news.
const pingFailures = 2

// ping is one question to one node.
type ping struct {
	node protocol.NodeID
	// incarnation is the one that the log knows.
	incarnation uint64
	address     string
}

// planPings picks the nodes to ask in this round: those that may serve and have no
// question open, at most protocol.MaxNodes.
func planPings(nodes []*pb.BlockNode, open func(protocol.NodeID) bool) []ping {
	var plan []ping
	for _, n := range nodes {
		id := protocol.NodeID(n.GetNode())
		if n.GetState() == pb.NodeState_NODE_STATE_REMOVED || n.GetAddress() == "" || open(id) {
			continue
		}
		if len(plan) == protocol.MaxNodes {
			break
		}
		plan = append(plan, ping{node: id, incarnation: n.GetIncarnation(), address: n.GetAddress()})
	}
	return plan
}

// Sighting is what the pings of this leadership have shown of one node: an
// observation, good for people and for deciding what to try.
type Sighting struct {
	// Reachable: the node answers. One that was not asked yet counts as reachable.
	Reachable bool
	// Since is when that last changed, or when the node was first asked; zero while
	// it was not.
	Since time.Time
	// Known: the node has told Used and Free, in bytes, and Full, by its last
	// answer. Full: no disk of it that works takes puts.
	Known      bool
	Used, Free uint64
	Full       bool
}

// tell takes the node's own word down.
func (s *Sighting) tell(st *pb.BlockserverStatus) {
	s.Known, s.Used, s.Free, s.Full = true, 0, 0, len(st.GetDisks()) > 0
	for _, d := range st.GetDisks() {
		s.Used += d.GetUsedBytes()
		if d.GetFailure() == "" {
			s.Free += d.GetFreeBytes()
			s.Full = s.Full && d.GetFull()
		}
	}
}

// sight is what pings have shown. Its zero value has seen nothing.
type sight struct {
	mu   sync.Mutex
	seen map[protocol.NodeID]*seen
}

type seen struct {
	Sighting
	failed int // in a row
	open   bool
}

func (s *sight) at(n protocol.NodeID) Sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.seen[n]; at != nil {
		return at.Sighting
	}
	return Sighting{Reachable: true}
}

func (s *sight) reachable(n protocol.NodeID) bool { return s.at(n).Reachable }

func (s *sight) isOpen(n protocol.NodeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.seen[n]
	return at != nil && at.open
}

func (s *sight) begin(n protocol.NodeID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[protocol.NodeID]*seen{}
	}
	if s.seen[n] == nil {
		s.seen[n] = &seen{Sighting: Sighting{Reachable: true, Since: now}}
	}
	s.seen[n].open = true
}

// end takes an answer, or its absence, down and tells whether the node's
// reachability changed.
func (s *sight) end(n protocol.NodeID, st *pb.BlockserverStatus, err error, now time.Time) (changed, reachable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.seen[n]
	at.open = false
	before := at.Reachable
	if err == nil {
		at.failed = 0
		at.tell(st)
	} else {
		at.failed = min(at.failed+1, pingFailures)
	}
	if at.Reachable = at.failed < pingFailures; at.Reachable != before {
		at.Since = now
	}
	return before != at.Reachable, at.Reachable
}

// unreachable counts the nodes that do not answer.
func (s *sight) unreachable() (count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.seen {
		if !at.Reachable {
			count++
		}
	}
	return count
}

// pings asks all nodes once a round; a node that is slow to answer is asked again
// only after it did, and delays nobody.
func (l *leading) pings(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	for {
		l.complain(ctx, "ping", l.pingRound(ctx, &asking))
		if !pause(ctx, nil, l.cfg.Timing.PingEvery) {
			return
		}
	}
}

func (l *leading) pingRound(ctx context.Context, asking *sync.WaitGroup) error {
	var plan []ping
	err := l.look(ctx, func(r state.Reader) error {
		s, err := state.Status(r)
		plan = planPings(s.GetNodes(), l.sight.isOpen)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range plan {
		l.sight.begin(p.node, l.cfg.Now())
		asking.Go(func() { l.ask(ctx, p) })
	}
	return nil
}

func (l *leading) ask(ctx context.Context, p ping) {
	asked, cancel := context.WithTimeout(ctx, l.cfg.Timing.PingTimeout)
	defer cancel()
	st, err := l.cfg.Ping(asked, p.address)
	if ctx.Err() != nil {
		return
	}
	if n := protocol.NodeID(st.GetNode()); err == nil && st.GetRegistered() && n != p.node {
		err = protocol.Errorf(protocol.Unavailable, "node %s answers at the address of node %s", n, p.node)
	}
	if err == nil && st.GetRegistered() && st.GetIncarnation() < p.incarnation {
		l.fleet.superseded(p.node)
		l.Nudge()
	}
	changed, reachable := l.sight.end(p.node, st, err, l.cfg.Now())
	l.metrics.unreachable.Set(float64(l.sight.unreachable()))
	if !changed {
		return
	}
	if reachable {
		l.cfg.Logger.Info("blockserver answers pings again", "node", p.node, "address", p.address)
	} else {
		l.cfg.Logger.Warn("blockserver does not answer pings", "node", p.node, "address", p.address, "error", err)
	}
}
