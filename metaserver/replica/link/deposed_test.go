package link

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// long bounds a wait that is never to end by itself.
const long = 60 * time.Second

// port is a raft port of plain TCP.
type port struct{ net.Listener }

func (port) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(addr), timeout)
}

func open(t *testing.T) (raft.ServerAddress, *raft.NetworkTransportConfig) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &raft.NetworkTransportConfig{Stream: port{ln}, MaxPool: 1, MaxRPCsInFlight: 1, Timeout: long, Logger: hclog.NewNullLogger()}
	return raft.ServerAddress(ln.Addr().String()), cfg
}

// peer is a member whose part the test plays: it votes for everybody, and says yes
// to entries unless it is deaf, which never answers a call that brings some.
type peer struct {
	*raft.NetworkTransport
	id      raft.ServerID
	address raft.ServerAddress
	deaf    bool
	brought chan struct{}
	ended   chan struct{}
	group   sync.WaitGroup

	mu     sync.Mutex
	called []raft.AppendEntriesRequest
}

func newPeer(t *testing.T, id raft.ServerID, deaf bool) *peer {
	t.Helper()
	address, cfg := open(t)
	p := &peer{
		NetworkTransport: raft.NewNetworkTransportWithConfig(cfg), id: id, address: address, deaf: deaf,
		brought: make(chan struct{}, 1<<10), ended: make(chan struct{}),
	}
	p.group.Go(p.serve)
	return p
}

func (p *peer) end() {
	close(p.ended)
	_ = p.Close()
	p.CloseStreams()
	p.group.Wait()
}

func (p *peer) serve() {
	for {
		select {
		case rpc := <-p.Consumer():
			p.answer(rpc)
		case <-p.ended:
			return
		}
	}
}

func (p *peer) answer(rpc raft.RPC) {
	switch req := rpc.Command.(type) {
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{Term: req.Term, Granted: true}, nil)
	case *raft.AppendEntriesRequest:
		p.mu.Lock()
		p.called = append(p.called, *req)
		p.mu.Unlock()
		if len(req.Entries) > 0 {
			p.brought <- struct{}{}
			if p.deaf {
				return
			}
		}
		rpc.Respond(&raft.AppendEntriesResponse{Term: req.Term, Success: true}, nil)
	default:
		rpc.Respond(nil, io.ErrUnexpectedEOF)
	}
}

// slow is a log of which one entry is read slowly, once.
type slow struct {
	*raft.InmemStore
	mu     sync.Mutex
	index  uint64
	held   chan struct{}
	resume chan struct{}
}

func (s *slow) GetLog(index uint64, l *raft.Log) error {
	s.mu.Lock()
	hold := s.index == index
	if hold {
		s.index = 0
	}
	s.mu.Unlock()
	if hold {
		close(s.held)
		<-s.resume
	}
	return s.InmemStore.GetLog(index, l)
}

func (s *slow) term() uint64 {
	term, _ := s.GetUint64([]byte("CurrentTerm"))
	return term
}

type nothing struct{}

func (nothing) Apply(*raft.Log) any                 { return nil }
func (nothing) Snapshot() (raft.FSMSnapshot, error) { return nil, io.ErrUnexpectedEOF }
func (nothing) Restore(r io.ReadCloser) error       { return r.Close() }

// Raft reads a leader's log for its followers beside its main loop, entry by entry,
// and the call says the leader's term however late that is. A leader that is deposed
// meanwhile, and whose log is overwritten, must not send the new leader's entries
// behind its own: who takes them has a log that no leader ever had.
func TestADeposedLeaderSendsNoMixture(t *testing.T) {
	b := newPeer(t, "b", false)
	c, d, e := newPeer(t, "c", true), newPeer(t, "d", true), newPeer(t, "e", true)
	store := &slow{InmemStore: raft.NewInmemStore(), held: make(chan struct{}), resume: make(chan struct{})}
	address, cfg := open(t)
	transport := NewTransport(cfg, "a", store.term)
	rc := raft.DefaultConfig()
	rc.LocalID, rc.Logger, rc.CommitTimeout = "a", hclog.NewNullLogger(), time.Millisecond
	rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = long, long, long
	group := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: address}}}
	for _, p := range []*peer{b, c, d, e} {
		group.Servers = append(group.Servers, raft.Server{ID: p.id, Address: p.address})
	}
	if err := raft.BootstrapCluster(rc, store, store, raft.NewDiscardSnapshotStore(), transport, group); err != nil {
		t.Fatal(err)
	}
	a, err := raft.NewRaft(rc, nothing{}, store, store, raft.NewDiscardSnapshotStore(), transport)
	if err != nil {
		t.Fatal(err)
	}
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("c"), Addr: []byte(c.address)}
	if err := c.TimeoutNow("a", address, &raft.TimeoutNowRequest{RPCHeader: header}, &raft.TimeoutNowResponse{}); err != nil {
		t.Fatal(err)
	}
	// Entry 2 begins a's term; c, d and e never answer it, so nothing is committed.
	for _, p := range []*peer{b, c, d, e} {
		<-p.brought
	}
	a.Apply(nil, 0)
	<-b.brought
	store.mu.Lock()
	store.index = 4
	store.mu.Unlock()
	a.Apply(nil, 0)
	<-store.held // what is before entry 4 has been read, for b
	older := store.term()
	overwrite := &raft.AppendEntriesRequest{
		RPCHeader: header, Term: older + 1, PrevLogEntry: 2, PrevLogTerm: older,
		Entries: []*raft.Log{{Index: 3, Term: older + 1, Type: raft.LogNoop}, {Index: 4, Term: older + 1, Type: raft.LogNoop}},
	}
	resp := &raft.AppendEntriesResponse{}
	if err := c.AppendEntries("a", address, overwrite, resp); err != nil || !resp.Success {
		t.Fatal(resp, err)
	}
	close(store.resume)
	for _, p := range []*peer{c, d, e} {
		p.end()
	}
	if err := a.Shutdown().Error(); err != nil { // and all that a has begun to send is sent
		t.Fatal(err)
	}
	transport.CloseStreams()
	b.end()
	for _, call := range b.called {
		for _, entry := range call.Entries {
			if entry.Term > call.Term {
				t.Errorf("the leader of term %d sent entry %d of term %d, behind entry %d of term %d",
					call.Term, entry.Index, entry.Term, call.PrevLogEntry, call.PrevLogTerm)
			}
		}
	}
}
