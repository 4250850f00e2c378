package replica

import (
	"net"
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
)

// caller calls on the raft port of others and is called by nobody.
type caller struct {
	*link.Stream
	done chan struct{}
}

func (c caller) Accept() (net.Conn, error) {
	<-c.done
	return nil, net.ErrClosed
}

func (c caller) Close() error {
	close(c.done)
	return nil
}

// heartbeat sends m one heartbeat of a leader of that term, over from's port, and
// returns when it is answered.
func heartbeat(t *testing.T, from, m *member, term uint64) (*raft.AppendEntriesResponse, error) {
	t.Helper()
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: caller{from.layer.Stream(), make(chan struct{})}, MaxPool: 1, MaxRPCsInFlight: 1, Timeout: patience,
	})
	defer transport.Close()
	resp := &raft.AppendEntriesResponse{}
	return resp, transport.AppendEntries(raft.ServerID(m.name), raft.ServerAddress(m.address), &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(from.name), Addr: []byte(from.address)}, Term: term,
	}, resp)
}

// A leader that hears from the leader of a newer term appends nothing any more, and
// above all nothing under that term: its entry would have the index and the term of
// the other leader's, no replica would tell the two apart, and the states would part
// (hashicorp/raft issue 695). It has happened: a leader was suspended and woke up
// among heartbeats and requests.
func TestNothingIsAppendedUnderAnothersTerm(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[0]
	g.put("key", "before")
	for range 5 {
		g.leader()
		newer := m.logs.Term() + 1
		if _, err := heartbeat(t, m, m, newer); err != nil {
			t.Fatal(err)
		}
		// Past Propose's own question whether this member leads, as a command is that
		// was on its way already.
		err := m.node().ApplyLog(raft.Log{Data: []byte{}}, 0).Error()
		for i, last := uint64(1), m.lastLog(t); i <= last; i++ {
			l := &raft.Log{}
			if err := m.logs.GetLog(i, l); err != nil {
				t.Fatal(err)
			}
			if l.Term == newer {
				t.Fatalf("entry %d (%v) was appended in term %d, which another leads; told: %v", i, l.Type, newer, err)
			}
		}
	}
	g.put("key", "after")
	g.same()
}

func (m *member) lastLog(t *testing.T) uint64 {
	t.Helper()
	last, err := m.logs.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// A follower whose disk is slow is no dead follower: it answers its leader's
// heartbeats while an entry is on its way to the disk, and a heartbeat of a newer
// term when that is done.
func TestHeartbeatsDoNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	// A port goes mute after a stall of twice ElectionTimeout.
	g := newGroup(t, 3, func(cfg *Config) { cfg.ElectionTimeout = patience / 6 })
	g.put("key", "before")
	l := g.leader()
	f := g.others(l)[0]
	resume, held := make(chan struct{}), make(chan struct{}, 1<<10)
	f.logs.Inject(func() error {
		held <- struct{}{}
		<-resume
		return nil
	})
	g.put("key", "stalled")
	<-held
	term := f.logs.Term()
	for range 3 {
		resp, err := heartbeat(t, l, f, term)
		if err != nil || !resp.Success || resp.Term != term {
			t.Fatalf("while the disk is busy: %+v, %v", resp, err)
		}
	}
	newer := make(chan error, 1)
	go func() {
		resp, err := heartbeat(t, l, f, term+1)
		if err == nil && resp.Term != term+1 {
			t.Errorf("a newer term was answered with %d", resp.Term)
		}
		newer <- err
	}()
	close(resume)
	if err := <-newer; err != nil {
		t.Fatal(err)
	}
	// The leader steps down once the follower tells it; who comes after it, stays.
	until(t, "a leader of a newer term", func() bool {
		return slices.ContainsFunc(g.members, func(m *member) bool {
			lead := m.lead.now.Load()
			return lead.Leader && lead.Term > term
		})
	})
	g.put("key", "after")
	g.same()
}
