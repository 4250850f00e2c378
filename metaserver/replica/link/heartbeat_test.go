package link

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

const ownTerm = 7

// hears makes a transport whose main loop is the test, and what sends it heartbeats.
func hears(t *testing.T) (on *Transport, send func(term uint64) (raft.AppendEntriesResponse, error)) {
	t.Helper()
	address, cfg := open(t)
	on = NewTransport(cfg, "follower", func() uint64 { return ownTerm })
	_, cfg = open(t)
	leader := raft.NewNetworkTransportWithConfig(cfg)
	t.Cleanup(func() {
		_ = on.Close()
		_ = leader.Close()
		leader.CloseStreams()
	})
	return on, func(term uint64) (resp raft.AppendEntriesResponse, err error) {
		err = leader.AppendEntries("follower", address, &raft.AppendEntriesRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("leader"), Addr: []byte("there")}, Term: term,
		}, &resp)
		return resp, err
	}
}

// The main loop hears of a heartbeat that was answered already: nothing else may keep
// a follower from an election, as while its leader reads a snapshot for it.
func TestAnsweredHeartbeatsReachTheMainLoop(t *testing.T) {
	on, send := hears(t)
	for range 10 { // however many come while the main loop is busy
		resp, err := send(ownTerm)
		if err != nil || !resp.Success || resp.Term != ownTerm || string(resp.ID) != "follower" {
			t.Fatal(resp, err)
		}
	}
	rpc := <-on.Consumer()
	if req, ok := rpc.Command.(*raft.AppendEntriesRequest); !ok || req.Term != ownTerm || string(req.ID) != "leader" {
		t.Fatalf("the main loop is told %+v", rpc.Command)
	}
	rpc.Respond(&raft.AppendEntriesResponse{}, nil) // to nobody, and without waiting
}

// What says another term is answered by the main loop, and by nobody before.
func TestHeartbeatsOfAnotherTermAreTheMainLoopsToAnswer(t *testing.T) {
	on, send := hears(t)
	for _, term := range []uint64{ownTerm - 1, ownTerm + 1} {
		answered := make(chan raft.AppendEntriesResponse, 1)
		go func() {
			resp, err := send(term)
			if err != nil {
				t.Error(err)
			}
			answered <- resp
		}()
		rpc := <-on.Consumer()
		if req, ok := rpc.Command.(*raft.AppendEntriesRequest); !ok || req.Term != term {
			t.Fatalf("the main loop is told %+v", rpc.Command)
		}
		rpc.Respond(&raft.AppendEntriesResponse{Term: ownTerm + 2, LastLog: 5}, nil)
		if resp := <-answered; resp.Success || resp.Term != ownTerm+2 || resp.LastLog != 5 {
			t.Fatalf("a heartbeat of term %d was answered %+v", term, resp)
		}
	}
}

// Close lets go of heartbeats that wait for a main loop which has ended.
func TestCloseEndsWaitingHeartbeats(t *testing.T) {
	on, send := hears(t)
	if _, err := send(ownTerm); err != nil { // forward waits with it
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	for range cap(ended) {
		go func() {
			_, err := send(ownTerm + 1)
			ended <- err
		}()
	}
	if err := on.Close(); err != nil {
		t.Fatal(err)
	}
	for range cap(ended) {
		if <-ended == nil {
			t.Fatal("a heartbeat was answered that no main loop has heard of")
		}
	}
}

// However long the main loop is busy, few heartbeats wait for it, and the others are
// told so.
func TestFewHeartbeatsWait(t *testing.T) {
	on, send := hears(t)
	answered := make(chan error, maxHeartbeats)
	for range maxHeartbeats {
		go func() {
			_, err := send(ownTerm + 1)
			answered <- err
		}()
	}
	eventually(t, "all that may wait do", func() bool { return len(on.waits) == maxHeartbeats })
	for range 3 {
		if _, err := send(ownTerm + 1); err == nil || err.Error() != errBusyMainLoop.Error() {
			t.Fatalf("one more is told %v", err)
		}
	}
	for range maxHeartbeats {
		rpc := <-on.Consumer()
		rpc.Respond(&raft.AppendEntriesResponse{Term: ownTerm + 1}, nil)
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := send(ownTerm); err != nil {
		t.Fatal(err)
	}
}

// eventually polls for a state.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came about: %s", what)
		}
	}
}
