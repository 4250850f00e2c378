package blocks

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestClaimsRequest: many puts of the same bytes leave many claims of one block,
// of which a request names each node's newest, within what a request may hold.
func TestClaimsRequest(t *testing.T) {
	claim := func(block byte, node protocol.NodeID, incarnation protocol.Incarnation, counter, ack uint64) protocol.Claim {
		return protocol.Claim{
			Hash: protocol.Hash{block}, Node: node, Incarnation: incarnation, Ack: ack,
			Version: protocol.Version{Generation: 1, Counter: counter}, PlainSize: 10, StoredSize: 9,
		}
	}
	var claims []protocol.Claim
	for node := protocol.NodeID(1); node <= 2*protocol.MaxClaimsPerBlock; node++ {
		claims = append(claims, claim(1, node, 1, 5, 1))
	}
	claims = append(claims,
		claim(1, 1, 1, 5, 7), claim(1, 1, 1, 5, 6), claim(1, 2, 1, 6, 0), claim(1, 3, 2, 1, 0), claim(1, 4, 1, 4, 9), claim(2, 1, 1, 5, 1))
	q := claimsRequest(claims)
	if n := len(q.Blocks.PlainSizes); n != 2 || len(q.Claims) != protocol.MaxClaimsPerBlock+1 {
		t.Fatalf("%d blocks and %d claims", n, len(q.Claims))
	}
	want := [][3]uint64{{1, 5, 7}, {1, 6, 0}, {2, 1, 0}, {1, 5, 1}, {1, 5, 1}, {1, 5, 1}}
	for i, c := range q.Claims {
		if got := [3]uint64{c.Incarnation, c.Counter, c.Ack}; got != want[i] || c.Block != uint32(i/protocol.MaxClaimsPerBlock) {
			t.Errorf("claim %d is %v of block %d, want %v", i, got, c.Block, want[i])
		}
	}
}

// TestManyLateClaims: of claims that wait, each of a block of its own, none is lost,
// though one request takes no more blocks than a page.
func TestManyLateClaims(t *testing.T) {
	const n = 2*protocol.MaxTouchBatch + 1
	w := newWorld(t, 1)
	claims := make([]protocol.Claim, n)
	for i := range claims {
		claims[i] = protocol.Claim{Hash: protocol.HashOf([]byte(strconv.Itoa(i))), Node: 1, Incarnation: 1, PlainSize: 10, StoredSize: 9}
	}
	w.fleet.Late(claims...)
	w.fleet.tell.drain(t.Context())
	w.mu.Lock()
	defer w.mu.Unlock()
	told := 0
	for _, q := range w.told {
		told += len(q.GetBlocks().GetPlainSizes())
	}
	if told != n {
		t.Errorf("%d claims of %d were told, in %d requests", told, n, len(w.told))
	}
}

// TestReportsCoalesce: many readers of one bad copy make one report, and a copy
// that could not be reported, or was long ago, is reported again.
func TestReportsCoalesce(t *testing.T) {
	w := newWorld(t, 1)
	r := report{protocol.Hash{1}, 1, protocol.NotFound}
	told := func() int { return w.reported()["1 not-found"] }
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { w.fleet.tell.report(r) })
	}
	wg.Wait()
	eventually(t, "it is reported", func() bool { return told() > 0 })
	w.fleet.tell.drain(t.Context())
	if told() != 1 {
		t.Errorf("reported %d times", told())
	}
	w.fleet.tell.mu.Lock()
	w.fleet.tell.reported[r] = time.Now().Add(-reportAgain - time.Second)
	w.fleet.tell.mu.Unlock()
	w.fleet.tell.report(r)
	eventually(t, "it is reported again", func() bool { return told() == 2 })
	w.fleet.tell.forget(r)
	w.fleet.tell.report(r)
	eventually(t, "one that was not told is reported again", func() bool { return told() == 3 })
}

// TestReportsAreBounded: a lost disk's worth of bad copies goes out in small
// batches with a pause between, and what is beyond the queue is dropped.
func TestReportsAreBounded(t *testing.T) {
	tell := newTeller(nil, nil)
	for i := range 3 * maxReportsWaiting {
		tell.report(report{protocol.Hash{byte(i), byte(i >> 8)}, 1, protocol.NotFound})
	}
	if n := len(tell.reports); n != maxReportsWaiting {
		t.Errorf("%d reports wait", n)
	}
	w := newWorld(t, 1)
	// No loop tells meanwhile.
	quiet := newTeller(w.fleet.meta, w.fleet.cfg.Logger)
	for i := range 2*maxReportsTold + 1 {
		quiet.report(report{protocol.Hash{byte(i)}, 1, protocol.NotFound})
	}
	for _, want := range []int{maxReportsTold, 2 * maxReportsTold, 2*maxReportsTold + 1} {
		if !quiet.once(t.Context()) || w.reported()["1 not-found"] != want {
			t.Errorf("%d were told, want %d", w.reported()["1 not-found"], want)
		}
	}
	if quiet.once(t.Context()) {
		t.Error("there is more to tell")
	}
}
