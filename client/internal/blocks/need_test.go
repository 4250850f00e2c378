package blocks

import (
	"fmt"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// wantsOf is a prepare answer of this redundancy, quorum and version.
func wantsOf(redundancy, quorum uint32, counter uint64) *pb.PrepareAnswer {
	return &pb.PrepareAnswer{Redundancy: redundancy, Quorum: quorum, Version: &pb.Version{Generation: 1, Counter: counter}}
}

// TestStoreByNeed: a block goes to as many nodes as are needed, and as many of
// them are waited for.
func TestStoreByNeed(t *testing.T) {
	w := newWorld(t, 5)
	for i, c := range []struct {
		need         Need
		least, nodes int
	}{
		{Need{}, 2, 3},
		{Need{Redundancy: 1, Quorum: 1}, 1, 1},
		{Need{Redundancy: 5, Quorum: 2}, 2, 5},
		{Need{Redundancy: 1}, 2, 2},
		{Need{Redundancy: 9, Quorum: 5}, 5, 5},
	} {
		p, _ := w.parcel([]byte{byte(i)})
		claims, err := w.fleet.Store(t.Context(), p, testVersion, c.need, nil)
		if err != nil || len(claims) < c.least {
			t.Errorf("%+v: %v, %v", c.need, nodesOf(claims), err)
		}
		w.settle()
		kept := 0
		for _, n := range w.nodes {
			n.mu.Lock()
			if n.kept[string(p.Hash[:])] != nil {
				kept++
			}
			n.mu.Unlock()
		}
		if kept != c.nodes {
			t.Errorf("%+v: on %d nodes, want %d", c.need, kept, c.nodes)
		}
		p.Release()
	}
}

// TestNeed: a bucket's numbers are asked for once, renewed by every answer that is
// not older, asked for anew when forgotten, and zero where nobody tells.
func TestNeed(t *testing.T) {
	w := newWorld(t, 3)
	w.wants = map[string]*pb.PrepareAnswer{"one": wantsOf(1, 1, 5), "five": wantsOf(5, 2, 5)}
	need := func(bucket string, want Need, asked int) {
		t.Helper()
		if got := w.fleet.Need(t.Context(), bucket); got != want || len(w.prepared) != asked {
			t.Fatalf("%s needs %+v after %d requests, want %+v after %d", bucket, got, len(w.prepared), want, asked)
		}
	}
	need("one", Need{1, 1}, 1)
	need("one", Need{1, 1}, 1)
	need("five", Need{5, 2}, 2)
	need("", Need{}, 2)
	w.wants["one"] = wantsOf(3, 2, 4)
	w.fleet.Live(t.Context(), "one", protocol.HashOf(nil))
	need("one", Need{1, 1}, 3)
	w.wants["one"] = wantsOf(3, 2, 6)
	w.fleet.Live(t.Context(), "one", protocol.HashOf(nil))
	need("one", Need{3, 2}, 4)
	w.wants["one"] = wantsOf(2, 2, 6)
	w.fleet.Forget("one")
	need("one", Need{2, 2}, 5)
	w.wants["one"] = &pb.PrepareAnswer{}
	w.fleet.Forget("one")
	need("one", Need{}, 6)
	w.failing = true
	w.fleet.Forget("one")
	need("one", Need{}, 7)
	if q, err := w.fleet.Quorum(t.Context(), Need{}); err != nil || q != 2 {
		t.Errorf("the cluster's quorum is %d, %v", q, err)
	}
	if q, err := w.fleet.Quorum(t.Context(), Need{1, 1}); err != nil || q != 1 {
		t.Errorf("the bucket's quorum is %d, %v", q, err)
	}
}

// TestNeedsAreBounded: many buckets, of which the last MaxNeeds at most stay.
func TestNeedsAreBounded(t *testing.T) {
	var k needs
	for i := range 2 * MaxNeeds {
		bucket := fmt.Sprint("bucket-", i)
		k.learn(bucket, wantsOf(1, 1, 1))
		if n, ok := k.get(bucket); !ok || n != (Need{1, 1}) || len(k.known) != min(i+1, MaxNeeds) {
			t.Fatalf("bucket %d: %+v, %v, %d buckets", i, n, ok, len(k.known))
		}
	}
	k.learn("bucket", wantsOf(1<<31, 1<<31, 1))
	if n, _ := k.get("bucket"); n != (Need{protocol.MaxRedundancy, protocol.MaxRedundancy}) {
		t.Errorf("what is far too much is taken as %+v", n)
	}
}

// TestLivePerBucket: a request is about one bucket, and one bucket does not wait
// for another.
func TestLivePerBucket(t *testing.T) {
	w := newWorld(t, 3)
	w.hold = make(chan struct{})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() { w.fleet.Live(t.Context(), fmt.Sprint("bucket-", i%4), protocol.HashOf([]byte{byte(i)})) })
	}
	eventually(t, "a request of each bucket is under way", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.prepared) == 4
	})
	close(w.hold)
	wg.Wait()
	eventually(t, "nobody waits", func() bool {
		w.fleet.asks.mu.Lock()
		defer w.fleet.asks.mu.Unlock()
		return len(w.fleet.asks.waiting) == 0
	})
}
