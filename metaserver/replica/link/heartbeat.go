package link

import (
	"sync"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// maxHeartbeats bounds the heartbeats that wait for raft's main loop; above it: Busy.
const maxHeartbeats = 2

var errBusyMainLoop = protocol.Errorf(protocol.Busy, "raft port: %d heartbeats wait for raft already", maxHeartbeats)

// Transport is hashicorp/raft's own network transport but for what becomes of
// heartbeats (*one thread*, doc.go) and of a deposed leader's calls (AppendEntries).
//
// Raft would take heartbeats on the connection's goroutine, beside its main loop, so
// that no disk keeps a follower silent. One of a newer term then changes the term
// while the main loop of a leader has a command in hand, and the leader appends it in
// the other leader's term: two entries of one index and one term, which nothing tells
// apart, and states that part (https://github.com/hashicorp/raft/issues/695). So here
// raft's state hears of heartbeats on its main loop only:
//
//   - one of this member's own term changes no term: it says who leads, and that the
//     leader lives. It is answered at once, and the main loop is told when it is free;
//   - any other waits for the main loop itself, like every call, but maxHeartbeats at
//     most: those whose leader has given up and called again would fill the port while
//     the main loop installs a long snapshot.
type Transport struct {
	*raft.NetworkTransport
	term   func() uint64
	header raft.RPCHeader
	calls  chan raft.RPC
	// heard holds one heartbeat that was answered and that the main loop is to hear of.
	heard chan raft.RPC
	// waits holds a token for each heartbeat that waits.
	waits chan struct{}
	done  chan struct{}
	once  sync.Once
	group sync.WaitGroup
}

var (
	_ raft.Transport   = (*Transport)(nil)
	_ raft.WithPreVote = (*Transport)(nil)
	_ raft.WithClose   = (*Transport)(nil)
)

// NewTransport starts a transport of the member id. term is the highest term that the
// member has ever saved.
func NewTransport(cfg *raft.NetworkTransportConfig, id string, term func() uint64) *Transport {
	inner := raft.NewNetworkTransportWithConfig(cfg)
	t := &Transport{
		NetworkTransport: inner, term: term, calls: make(chan raft.RPC), heard: make(chan raft.RPC, 1), done: make(chan struct{}),
		waits: make(chan struct{}, maxHeartbeats),
		header: raft.RPCHeader{
			ProtocolVersion: raft.ProtocolVersionMax,
			ID:              []byte(id), Addr: inner.EncodePeer(raft.ServerID(id), inner.LocalAddr()),
		},
	}
	inner.SetHeartbeatHandler(t.heartbeat)
	t.group.Go(t.forward)
	return t
}

// Consumer is where raft's main loop takes calls from.
func (t *Transport) Consumer() <-chan raft.RPC { return t.calls }

// SetHeartbeatHandler leaves raft's own handler out.
func (t *Transport) SetHeartbeatHandler(func(raft.RPC)) {}

// AppendEntries sends what a leader has, while the leader's term is this member's own.
// Raft reads the log for it beside its main loop, which may have heard of the next
// leader meanwhile and put that one's entries in the place of some: the call would
// bring entries of one history behind those of another, in a term that a follower
// may still believe. The log is overwritten only after the newer term is saved; so if
// none is now, everything in the call was read before.
func (t *Transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if now := t.term(); now != req.Term {
		return protocol.Errorf(protocol.NotLeader, "raft port: the leader of term %d is deposed in term %d", req.Term, now)
	}
	return t.NetworkTransport.AppendEntries(id, target, req, resp)
}

// Close ends every call. It is idempotent.
func (t *Transport) Close() error {
	t.once.Do(func() { close(t.done) })
	err := t.NetworkTransport.Close()
	t.group.Wait()
	return err
}

// forward hands on what is no heartbeat, and what was heard.
func (t *Transport) forward() {
	for {
		select {
		case rpc := <-t.NetworkTransport.Consumer():
			t.call(rpc)
		case rpc := <-t.heard:
			t.call(rpc)
		case <-t.done:
			return
		}
	}
}

func (t *Transport) call(rpc raft.RPC) {
	select {
	case t.calls <- rpc:
	case <-t.done:
	}
}

// heartbeat runs on the goroutine of a connection, which sends what RespChan gets.
func (t *Transport) heartbeat(rpc raft.RPC) {
	req, ok := rpc.Command.(*raft.AppendEntriesRequest)
	if !ok || req.Term != t.term() {
		select {
		case t.waits <- struct{}{}:
			t.call(rpc)
			<-t.waits
		default:
			rpc.Respond(nil, errBusyMainLoop)
		}
		return
	}
	rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: t.header, Term: req.Term, Success: true}, nil)
	select {
	case t.heard <- raft.RPC{Command: req, RespChan: make(chan raft.RPCResponse, 1)}:
	default:
	}
}
