package dispatch

import (
	"context"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// pingFailures is how many pings in a row must fail before a node counts as
// unreachable: one lost packet is no news.
const pingFailures = 2

// ping is one question to one node.
type ping struct {
	node    protocol.NodeID
	address string
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
		plan = append(plan, ping{node: id, address: n.GetAddress()})
	}
	return plan
}

// sight is what pings have shown. Its zero value has seen nothing.
type sight struct {
	mu     sync.Mutex
	failed map[protocol.NodeID]int // in a row
	open   map[protocol.NodeID]bool
}

func (s *sight) reachable(n protocol.NodeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed[n] < pingFailures
}

func (s *sight) isOpen(n protocol.NodeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[n]
}

func (s *sight) begin(n protocol.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open, s.failed = map[protocol.NodeID]bool{}, map[protocol.NodeID]int{}
	}
	s.open[n] = true
}

// end takes an answer down and tells whether the node's reachability changed.
func (s *sight) end(n protocol.NodeID, err error) (changed, reachable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.failed[n] < pingFailures
	delete(s.open, n)
	if err == nil {
		delete(s.failed, n)
	} else {
		s.failed[n] = min(s.failed[n]+1, pingFailures)
	}
	after := s.failed[n] < pingFailures
	return before != after, after
}

// unreachable counts the nodes that do not answer.
func (s *sight) unreachable() (count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.failed {
		if n >= pingFailures {
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
		l.sight.begin(p.node)
		asking.Go(func() { l.ask(ctx, p) })
	}
	return nil
}

func (l *leading) ask(ctx context.Context, p ping) {
	asked, cancel := context.WithTimeout(ctx, l.cfg.Timing.PingTimeout)
	defer cancel()
	err := l.cfg.Ping(asked, p.address)
	if ctx.Err() != nil {
		return
	}
	changed, reachable := l.sight.end(p.node, err)
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
