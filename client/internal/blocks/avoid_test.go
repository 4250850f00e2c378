package blocks

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// store puts a block of its own and returns who acknowledged it, once nobody else is
// asked any more.
func (w *world) store(i int) []protocol.NodeID {
	w.t.Helper()
	p, _ := w.parcel([]byte{byte(i), byte(i >> 8)})
	defer p.Release()
	claims, err := w.fleet.Store(w.t.Context(), p, testVersion, Need{}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle()
	return nodesOf(claims)
}

// settle waits for the writes that go on behind a store.
func (w *world) settle() {
	w.t.Helper()
	late := &w.fleet.stragglers
	eventually(w.t, "no straggler is left", func() bool {
		late.mu.Lock()
		defer late.mu.Unlock()
		return late.count == 0
	})
}

// TestWritersAvoid: blocks go to nodes that are up, and to others only where there
// is no quorum without them.
func TestWritersAvoid(t *testing.T) {
	for _, state := range []pb.NodeState{
		pb.NodeState_NODE_STATE_DRAINING, pb.NodeState_NODE_STATE_DRAINED, pb.NodeState_NODE_STATE_DOWN,
		pb.NodeState_NODE_STATE_MAINTENANCE, pb.NodeState_NODE_STATE_JOINING,
	} {
		w := newWorld(t, 5)
		w.layout.Nodes[0].State = state
		for i := range 10 {
			w.store(i)
		}
		if n := w.nodes[0].count(); n != 0 {
			t.Errorf("a node that is %v was written to %d times", state, n)
		}
	}
	w := newWorld(t, 3)
	w.layout.Nodes[0].State, w.layout.Nodes[1].State = pb.NodeState_NODE_STATE_MAINTENANCE, pb.NodeState_NODE_STATE_DRAINING
	if got := w.store(1); len(got) < 2 {
		t.Errorf("stored at %v", got)
	}
}

// TestFullNodesRead: a node that is full is written to last for a while, and is
// read from as ever; one block that it takes ends that.
func TestFullNodesRead(t *testing.T) {
	w := newWorld(t, 4)
	full := w.nodes[0]
	full.takes(fails(protocol.Full))
	for i := range 10 {
		if got := w.store(i); slices.Contains(got, 1) {
			t.Fatalf("a full node took a block: %v", got)
		}
	}
	if n := full.count(); n != 1 {
		t.Errorf("a full node was asked %d times", n)
	}
	r := w.fleet.roster
	if !r.well(1) || r.hasRoom(1) {
		t.Errorf("a full node is well %v, has room %v", r.well(1), r.hasRoom(1))
	}
	plain := []byte("the block")
	full.serves(sends(plain, false))
	if got, err := w.fleet.Fetch(t.Context(), Ref{Hash: protocol.HashOf(plain), Size: len(plain), Copies: []Copy{{1, true}}}); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("reading from a full node: %q, %v", got, err)
	}
	r.begin(1)
	r.end(1, time.Second, nil)
	if r.hasRoom(1) {
		t.Error("a read made room")
	}
	r.took(1)
	if !r.hasRoom(1) {
		t.Error("a node that took a block is full still")
	}
}

// TestStatesAreRenewed: a layout with a node that is not up is asked for again
// while it is used on.
func TestStatesAreRenewed(t *testing.T) {
	w := newWorld(t, 3)
	w.layout.Nodes[2].State = pb.NodeState_NODE_STATE_DOWN
	old, err := w.fleet.place(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.layout.Nodes[2].State = pb.NodeState_NODE_STATE_UP
	w.mu.Unlock()
	if l, err := w.fleet.place(t.Context(), false); err != nil || l != old || w.asked() != 1 {
		t.Fatalf("a young layout was asked for %d times, %v", w.asked(), err)
	}
	aged := newLayout(old.answer, time.Now().Add(-troubledAge-time.Second))
	w.fleet.layouts.current.Store(aged)
	if l, err := w.fleet.place(t.Context(), false); err != nil || l != aged {
		t.Fatalf("an old layout is not used on: %v", err)
	}
	eventually(t, "the node is up", func() bool { return w.fleet.layouts.current.Load().state(3) == pb.NodeState_NODE_STATE_UP })
	if w.asked() != 2 {
		t.Errorf("asked %d times", w.asked())
	}
}
