package blocks

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestPlacement(t *testing.T) {
	a := &pb.Layout{Width: 2, Redundancy: 2, Quorum: 1}
	for n := range uint32(6) {
		a.Nodes = append(a.Nodes, &pb.BlockNode{Node: n + 1, State: pb.NodeState_NODE_STATE_UP})
	}
	a.Nodes[5].State = pb.NodeState_NODE_STATE_REMOVED
	for p := range uint32(protocol.Partitions) {
		a.Table = append(a.Table, p%4+1, (p+1)%4+1)
	}
	l := newLayout(a, time.Time{})
	h := protocol.Hash{0xab, 0xcd}
	if p := partition(h); p != 0xabc {
		t.Errorf("the partition of %s is %x", h.Short(), p)
	}
	wanted := l.wanted(h, 0)
	if !slices.Equal(wanted, []protocol.NodeID{0xabc%4 + 1, 0xabd%4 + 1}) {
		t.Errorf("wanted %v", wanted)
	}
	first := map[protocol.NodeID]int{}
	for i := range 100 {
		h := protocol.Hash{0xab, 0xcd, 9: byte(i)}
		further := l.further(h, wanted)
		if len(further) != 3 || slices.Contains(further, 6) || slices.Contains(further, wanted[0]) {
			t.Fatalf("further %v beside %v", further, wanted)
		}
		if !slices.Equal(further, l.further(h, wanted)) {
			t.Fatal("the same block goes elsewhere the second time")
		}
		first[further[0]]++
	}
	if len(first) != 3 {
		t.Errorf("the load of a failed node goes to %v", first)
	}
	a.Redundancy, a.Own = 2, []*pb.LayoutTable{{Redundancy: 1, Width: 1, Table: make([]uint32, protocol.Partitions)}}
	a.Own[0].Table[0xabc] = 4
	for redundancy, want := range map[int][]protocol.NodeID{1: {4}, 2: wanted, 0: wanted, 5: wanted} {
		if got := l.wanted(h, redundancy); !slices.Equal(got, want) {
			t.Errorf("redundancy %d: wanted %v", redundancy, got)
		}
		if _, _, found := l.tableFor(redundancy); found != (redundancy != 5) {
			t.Errorf("redundancy %d: found is %v", redundancy, found)
		}
	}
	a.Table = a.Table[:100]
	if got := newLayout(a, time.Time{}).wanted(h, 0); got != nil {
		t.Errorf("a table that is too short places %v", got)
	}
}

// TestLayoutIsKept: it is asked for once, again when a newer one is heard of,
// and not at all by callers who have given up.
func TestLayoutIsKept(t *testing.T) {
	w := newWorld(t, 3)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := w.fleet.place(t.Context(), false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first, err := w.fleet.place(t.Context(), true)
	if err != nil || w.asked() != 1 {
		t.Errorf("asked %d times, %v", w.asked(), err)
	}
	w.mu.Lock()
	w.layout.LayoutVersion = 5
	w.mu.Unlock()
	w.fleet.layouts.heard(5)
	w.fleet.layouts.heard(3)
	second, err := w.fleet.place(t.Context(), false)
	if err != nil || second == first || w.asked() != 2 {
		t.Errorf("after a newer one was heard of: asked %d times, %v", w.asked(), err)
	}
	w.fleet.layouts.heard(6)
	w.fleet.layouts.asking <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.fleet.place(ctx, false); protocol.KindOf(err) != protocol.Canceled {
		t.Errorf("waiting for a layout ends with %v", err)
	}
	<-w.fleet.layouts.asking
}
