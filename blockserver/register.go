package blockserver

import (
	"context"
	"crypto/rand"
	"math/bits"
	mathrand "math/rand/v2"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// membership is what Register answered.
type membership struct {
	node        protocol.NodeID
	incarnation protocol.Incarnation
	cluster     protocol.ID
	disks       []uint32
	// version is the metadata's when it answered.
	version protocol.Version
}

// admitted returns the membership under which the node may acknowledge, or
// NotRegistered. It may be superseded at any moment.
func (s *Server) admitted() (*membership, error) {
	m := s.member.Load()
	if m == nil {
		return nil, protocol.Errorf(protocol.NotRegistered, "the node has not been admitted yet in this start; it asks %v", s.cfg.Metaservers)
	}
	return m, nil
}

// supersede ends the start that m admitted: the log knows a later one, because an
// older request to register came late, or is of a generation that does not know m,
// because the metadata was restored. What m acknowledges would not be believed, so
// join waits out what is under way and draws a new start. The order that tells of it
// was let in by its generation and term.
func (s *Server) supersede(m *membership, q *pb.OrdersRequest) {
	if !s.member.CompareAndSwap(m, nil) {
		return
	}
	s.cfg.Logger.Warn("superseded; will register anew", "node", m.node, "incarnation", uint64(m.incarnation), "known", q.GetIncarnation(),
		"generation", m.version.Generation, "leaders", q.GetGeneration())
	s.superseded <- struct{}{}
}

// highestSeen is the highest version that the node has met, for requests that
// name none.
func (s *Server) highestSeen() protocol.Version {
	v := s.store.HighestSeen()
	if m := s.member.Load(); m != nil {
		v = v.Max(m.version)
	}
	return v
}

// believable refuses, as InvalidArgument, a version that no metaserver has given
// out yet. Such a one would never leave the file that carries it, and at the next
// start it would look as if the metadata had been rolled back. One at or below the
// highest that a metaserver told costs nothing; for a higher one they are asked,
// the requests that wait together once. Unavailable: not all of them answered.
func (s *Server) believable(ctx context.Context, v protocol.Version) error {
	if !s.told().Less(v) {
		return nil
	}
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return protocol.Errorf(protocol.Canceled, "waiting for the metaservers' version: %w", ctx.Err())
	}
	if !s.told().Less(v) {
		return nil // whoever asked before has learnt it
	}
	failed := s.askVersions(ctx, v)
	switch {
	case !s.told().Less(v):
		return nil
	case failed != nil:
		return protocol.Errorf(protocol.Unavailable, "version %s is above what this node knows (%s), and not every metaserver could be asked: %w", v, s.told(), failed)
	}
	return protocol.Errorf(protocol.InvalidArgument, "version %s was never given out; the metadata is at %s", v, s.told())
}

// told is the highest version that a metaserver has told this node.
func (s *Server) told() protocol.Version {
	if v := s.newest.Load(); v != nil {
		return *v
	}
	return protocol.Version{}
}

// secondAsk is how long the metaserver that told the highest version last is waited
// for before all others are asked too.
const secondAsk = 100 * time.Millisecond

// askVersions asks the metaserver that knew best last time, and all others when it
// is slow, fails or knows too little: one that stands still costs a moment, not the
// time of every request. It returns when v is known or all have ended, with the
// last failure; under asking.
func (s *Server) askVersions(ctx context.Context, v protocol.Version) (failed error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	addrs := s.cfg.Metaservers
	ended := make(chan error, len(addrs))
	ask := func(at int) { go func() { ended <- s.askVersion(ctx, at) }() }
	first := int(s.best.Load()) % len(addrs)
	ask(first)
	others := func() {
		for at := range addrs {
			if at != first {
				ask(at)
			}
		}
	}
	patience := time.NewTimer(secondAsk)
	defer patience.Stop()
	for left, alone := len(addrs), true; left > 0; {
		select {
		case err := <-ended:
			if left--; !s.told().Less(v) {
				return nil
			}
			if err != nil {
				failed = err
			}
		case <-patience.C:
		}
		if alone {
			others()
			alone = false
		}
	}
	return failed
}

// askVersion learns the applied version of one metaserver, leader or not.
func (s *Server) askVersion(ctx context.Context, at int) error {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	var answer pb.PrepareAnswer
	if err := s.peers.Call(ctx, s.cfg.Metaservers[at], protocol.PathPrepare, &pb.PrepareRequest{}, &answer); err != nil {
		return err
	}
	v := protocol.Version{Generation: answer.GetVersion().GetGeneration(), Counter: answer.GetVersion().GetCounter()}
	if s.learn(v) {
		s.best.Store(int32(at))
	}
	return nil
}

// learn takes down what a metaserver told, and tells whether that is news.
func (s *Server) learn(v protocol.Version) bool {
	for {
		old := s.newest.Load()
		if old != nil && !old.Less(v) {
			return false
		}
		if s.newest.CompareAndSwap(old, &v) {
			return true
		}
	}
}

// register asks until the node is admitted, refused for good, or ctx ends
// (Canceled), and lets the store adopt the answer.
func (s *Server) register(ctx context.Context) error {
	client := rpc.NewClient(rpc.ClientConfig{Cluster: s.store.Cluster(), Timeout: registerTimeout})
	defer client.Close()
	request := s.registerRequest()
	for attempt := 1; ; attempt++ {
		m, err := s.askAll(ctx, client, request)
		if err == nil {
			return s.adopt(m)
		}
		if ctx.Err() != nil {
			return protocol.Errorf(protocol.Canceled, "register: %w", ctx.Err())
		}
		if refused(err) {
			return err
		}
		if stale(err) {
			// It was applied, its answer was lost, and an older one came after it.
			request = s.registerRequest()
		}
		// A cluster that starts together needs some rounds; after those there is one
		// line for every doubling of them.
		if attempt >= quietRounds && bits.OnesCount(uint(attempt)) == 1 {
			s.cfg.Logger.Warn("not registered yet", "rounds", attempt, "metaservers", s.cfg.Metaservers, "error", err)
		}
		if !pause(ctx, attempt) {
			return protocol.Errorf(protocol.Canceled, "register: %w", ctx.Err())
		}
	}
}

// refused tells the answers that no later one will change.
func refused(err error) bool {
	kind := protocol.KindOf(err)
	return kind == protocol.Removed || kind == protocol.WrongCluster
}

// stale tells the answer of the log that this request's start is a past one. The
// node goes on with a new start: it has acknowledged nothing with this one.
func stale(err error) bool { return protocol.KindOf(err) == protocol.StaleRequest }

// registerRequest is the same for every attempt of one start, so that an attempt
// whose answer was lost and its repetition are one start. The counts in it stay
// true because nothing is acknowledged meanwhile.
func (s *Server) registerRequest() *pb.RegisterRequest {
	identity := s.store.Identity()
	start := make([]byte, len(protocol.ID{}))
	_, _ = rand.Read(start)
	q := &pb.RegisterRequest{
		Identity: identity[:], Address: s.cfg.Advertise, Zone: s.cfg.Zone,
		HighestSeen: versionOf(s.store.HighestSeen()), Start: start,
	}
	for _, d := range s.store.Disks() {
		q.Disks = append(q.Disks, &pb.DiskInfo{Disk: d.ID[:], Acks: d.Acks, CapacityBytes: d.Capacity, UsedBytes: d.Used})
	}
	return q
}

// askAll asks each metaserver in turn, following not-leader to where it points.
// It returns the first answer, or what the log refuses, or the last other error.
func (s *Server) askAll(ctx context.Context, client *rpc.Client, q *pb.RegisterRequest) (*membership, error) {
	var last error
	for _, addr := range s.cfg.Metaservers {
		for hop := 0; addr != "" && hop <= maxLeaderHops; hop++ {
			m, err := s.ask(ctx, client, addr, q)
			if err == nil || refused(err) || stale(err) || ctx.Err() != nil {
				return m, err
			}
			last = err
			addr = ""
			if e := protocol.AsError(err); e.Kind == protocol.NotLeader {
				addr = e.Leader
			}
		}
	}
	return nil, last
}

// ask puts the question to one metaserver and checks the answer's form.
func (s *Server) ask(ctx context.Context, client *rpc.Client, addr string, q *pb.RegisterRequest) (*membership, error) {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	var answer pb.RegisterAnswer
	err := client.Call(ctx, addr, protocol.PathNodeRegister, q, &answer)
	s.metrics.registers.WithLabelValues(outcome(err)).Inc()
	if err != nil {
		return nil, err
	}
	cluster, err := protocol.IDFromBytes(answer.GetCluster())
	if err != nil {
		return nil, protocol.Errorf(protocol.Internal, "%s answered register with a malformed cluster id: %w", addr, err)
	}
	if v := answer.GetVersion(); v.GetGeneration() == 0 {
		return nil, protocol.Errorf(protocol.Internal, "%s answered register without a version", addr)
	}
	if answer.GetNode() == 0 || len(answer.GetDiskNumbers()) != len(q.GetDisks()) {
		return nil, protocol.Errorf(protocol.Internal, "%s answered register for node %d and %d disks; there are %d", addr, answer.GetNode(), len(answer.GetDiskNumbers()), len(q.GetDisks()))
	}
	v := answer.GetVersion()
	return &membership{
		node: protocol.NodeID(answer.GetNode()), incarnation: protocol.Incarnation(answer.GetIncarnation()),
		cluster: cluster, disks: answer.GetDiskNumbers(),
		version: protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()},
	}, nil
}

// adopt makes the membership durable and opens the node for acknowledgements.
func (s *Server) adopt(m *membership) error {
	if err := s.store.Adopt(m.cluster, m.node, m.incarnation, m.disks); err != nil {
		return err
	}
	s.learn(m.version)
	s.member.Store(m)
	s.opened.Do(func() { close(s.ready) })
	s.cfg.Logger.Info("registered", "cluster", m.cluster, "node", m.node, "incarnation", uint64(m.incarnation), "address", s.cfg.Advertise)
	return nil
}

// pause waits before the next round: twice as long each time up to
// maxRegisterBackoff, and somewhere in the upper half of that, so that nodes that
// were started together do not ask together. False: ctx ended.
func pause(ctx context.Context, attempt int) bool {
	most := maxRegisterBackoff
	if attempt < 16 {
		most = min(minRegisterBackoff<<(attempt-1), maxRegisterBackoff)
	}
	t := time.NewTimer(most/2 + mathrand.N(most/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
