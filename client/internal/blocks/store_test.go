package blocks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

var testVersion = protocol.Version{Generation: 1, Counter: 9}

// parcel wraps plain; freed tells when nobody holds it any more.
func (w *world) parcel(plain []byte) (p *Parcel, freed *atomic.Bool) {
	freed = &atomic.Bool{}
	p = &Parcel{Hash: protocol.HashOf(plain), Plain: len(plain), Body: w.codec.Encode(nil, plain), Free: func() {
		if freed.Swap(true) {
			w.t.Error("a parcel was freed twice")
		}
	}}
	p.Hold()
	return p, freed
}

func nodesOf(claims []protocol.Claim) []protocol.NodeID {
	var out []protocol.NodeID
	for _, c := range claims {
		out = append(out, c.Node)
	}
	slices.Sort(out)
	return out
}

// TestQuorumAndStragglers: Store returns at W, the third copy's claim comes
// later, and the parcel lives until then.
func TestQuorumAndStragglers(t *testing.T) {
	w := newWorld(t, 3)
	hold := make(chan struct{})
	slow := w.nodes[1]
	slow.takes(func(ctx *fasthttp.RequestCtx) error {
		<-hold
		return slow.honest(ctx)
	})
	plain := bytes.Repeat([]byte("block"), 1000)
	p, freed := w.parcel(plain)
	late := make(chan protocol.Claim, 1)
	claims, err := w.fleet.Store(t.Context(), p, testVersion, Need{}, func(c protocol.Claim) { late <- c })
	if err != nil || !slices.Equal(nodesOf(claims), []protocol.NodeID{1, 3}) {
		t.Fatalf("claims %v, %v", claims, err)
	}
	for _, c := range claims {
		if c.Hash != p.Hash || c.Version != testVersion || int(c.PlainSize) != len(plain) || int(c.StoredSize) != len(p.Body) {
			t.Errorf("claim %+v", c)
		}
	}
	p.Release()
	if freed.Load() {
		t.Error("the parcel was freed while a straggler sends it")
	}
	close(hold)
	if c := <-late; c.Node != 2 {
		t.Errorf("late is %+v", c)
	}
	eventually(t, "the parcel is freed", freed.Load)
	w.fleet.Late(claims...)
	eventually(t, "late claims are told", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.told) == 1 && len(w.told[0].GetClaims()) == 2 && len(w.told[0].GetBlocks().GetPlainSizes()) == 1
	})
}

// TestStragglersAreBounded: beyond their budget, Store waits for the last copy.
func TestStragglersAreBounded(t *testing.T) {
	w := newWorld(t, 3)
	w.fleet.stragglers.limit = 1
	firstHold, secondHold := make(chan struct{}), make(chan struct{})
	first, _ := w.parcel([]byte("one is always let through"))
	second, _ := w.parcel([]byte("the next has to wait"))
	slow := w.nodes[2]
	slow.takes(func(ctx *fasthttp.RequestCtx) error {
		if bytes.HasSuffix(ctx.Path(), []byte(second.Hash.String())) {
			<-secondHold
		} else {
			<-firstHold
		}
		return slow.honest(ctx)
	})
	if claims, err := w.fleet.Store(t.Context(), first, testVersion, Need{}, nil); err != nil || len(claims) != 2 {
		t.Fatalf("%v, %v", claims, err)
	}
	first.Release()
	defer second.Release()
	done := make(chan []protocol.Claim, 1)
	go func() {
		claims, _ := w.fleet.Store(t.Context(), second, testVersion, Need{}, nil)
		done <- claims
	}()
	eventually(t, "all nodes are asked", func() bool { return slow.count() == 2 })
	select {
	case <-done:
		t.Error("Store left a straggler beyond the budget")
	default:
	}
	// The first straggler holds the budget until the second Store has returned.
	close(secondHold)
	if claims := <-done; len(claims) != 3 {
		t.Errorf("claims %v", claims)
	}
	close(firstHold)
}

// TestFallback: where a wanted node fails, a further one is asked, and a node
// that failed is asked last.
func TestFallback(t *testing.T) {
	w := newWorld(t, 5)
	w.nodes[0].takes(fails(protocol.Full))
	w.nodes[1].takes(fails(protocol.Disk))
	for i := range 5 {
		p, _ := w.parcel([]byte{byte(i)})
		claims, err := w.fleet.Store(t.Context(), p, testVersion, Need{}, nil)
		p.Release()
		if err != nil || len(claims) < 2 || slices.ContainsFunc(claims, func(c protocol.Claim) bool { return c.Node < 3 }) {
			t.Errorf("put %d: %v, %v", i, nodesOf(claims), err)
		}
		w.settle()
	}
	if a, b := w.nodes[0].count(), w.nodes[1].count(); a != 1 || b != 1 {
		t.Errorf("the failed nodes were asked %d and %d times", a, b)
	}
}

// TestBadAcknowledgements: an answer that does not name the block and the node
// is no claim.
func TestBadAcknowledgements(t *testing.T) {
	w := newWorld(t, 3)
	for name, spoil := range map[string]func(*pb.Ack){
		"another block": func(a *pb.Ack) { a.Hash[5] ^= 1 },
		"half a hash":   func(a *pb.Ack) { a.Hash = a.Hash[:16] },
		"another node":  func(a *pb.Ack) { a.Node = 77 },
	} {
		w.settle() // the liar may still be at the case before, and ends in its roster
		w.fleet.roster = newRoster()
		liar := w.nodes[0]
		liar.takes(func(ctx *fasthttp.RequestCtx) error {
			a := liar.ack(ctx)
			spoil(a)
			return rpc.Reply(ctx, 201, a)
		})
		p, _ := w.parcel([]byte(name))
		claims, err := w.fleet.Store(t.Context(), p, testVersion, Need{}, nil)
		p.Release()
		if err != nil || !slices.Equal(nodesOf(claims), []protocol.NodeID{2, 3}) {
			t.Errorf("%s: %v, %v", name, claims, err)
		}
	}
}

func TestTooFewNodes(t *testing.T) {
	w := newWorld(t, 3)
	for _, n := range w.nodes[1:] {
		n.takes(fails(protocol.Full))
	}
	p, freed := w.parcel([]byte("block"))
	ctx, cancel := context.WithCancel(t.Context())
	rounds := 0
	w.nodes[2].takes(func(*fasthttp.RequestCtx) error {
		if rounds++; rounds == 2 {
			cancel()
		}
		return protocol.Errorf(protocol.Full, "says the fake")
	})
	_, err := w.fleet.Store(ctx, p, testVersion, Need{}, nil)
	if protocol.KindOf(err) != protocol.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled between rounds: %v", err)
	}
	p.Release()
	if !freed.Load() {
		t.Error("the parcel is still held")
	}
	d := delivery{fleet: w.fleet, parcel: p, causes: []error{
		protocol.Errorf(protocol.Unavailable, "one is down"), protocol.Errorf(protocol.Full, "one is full"),
	}}
	if err := d.failure(t.Context()); protocol.KindOf(err) != protocol.Full {
		t.Errorf("down and full: %v", err)
	}
}

// TestLive: callers at the same time share requests.
func TestLive(t *testing.T) {
	w := newWorld(t, 3)
	known := protocol.HashOf([]byte("known"))
	w.live[known] = true
	w.hold = make(chan struct{})
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			h := protocol.HashOf([]byte{byte(i), byte(i >> 8)})
			if i%2 == 0 {
				h = known
			}
			if got := w.fleet.Live(t.Context(), "bucket", h); got != (i%2 == 0) {
				t.Errorf("hash %d is live: %v", i, got)
			}
		})
	}
	eventually(t, "all have asked", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fleet.asks.mu.Lock()
		defer w.fleet.asks.mu.Unlock()
		return len(w.prepared) == 1 && w.prepared[0]+len(w.fleet.asks.waiting["bucket"]) == 500
	})
	close(w.hold)
	wg.Wait()
	w.mu.Lock()
	if most := slices.Max(w.prepared); most > maxAsk || len(w.prepared) > 4 {
		t.Errorf("500 questions became %d requests of up to %d", len(w.prepared), most)
	}
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w.fleet.Live(ctx, "bucket", protocol.HashOf(nil)) {
		t.Error("a canceled question was answered yes")
	}
}

func TestRoster(t *testing.T) {
	r := newRoster()
	if !r.well(1) || r.cost(1) != 0 {
		t.Error("a node never met is well and costs nothing")
	}
	for range 20 {
		r.begin(1)
		r.end(1, time.Second, protocol.Errorf(protocol.Unavailable, "down"))
	}
	if r.well(1) {
		t.Error("a node that failed is asked last")
	}
	if left := time.Until(r.nodes[1].until); left > maxPenalty {
		t.Errorf("the penalty is %v", left)
	}
	r.nodes[1].until = time.Now().Add(-time.Second)
	if !r.well(1) {
		t.Error("after the penalty a node is tried again")
	}
	r.begin(1)
	if r.well(1) {
		t.Error("two exchanges at once try a node that failed")
	}
	r.end(1, 10*time.Millisecond, nil)
	if !r.well(1) || r.cost(1) != 10*time.Millisecond {
		t.Errorf("after a success: well %v, cost %v", r.well(1), r.cost(1))
	}
	r.begin(1)
	r.end(1, 0, protocol.Errorf(protocol.NotFound, "no such block"))
	r.begin(1)
	r.end(1, 0, protocol.Errorf(protocol.Canceled, "given up"))
	if !r.well(1) {
		t.Error("a missing copy or a canceled call speaks against the node")
	}
}

func TestPace(t *testing.T) {
	var p pace
	if p.patience() != firstPatience || !p.spend() {
		t.Error("before there are samples")
	}
	for range paceSamples {
		p.observe(20 * time.Millisecond)
	}
	if p.patience() != 40*time.Millisecond {
		t.Errorf("patience is %v", p.patience())
	}
	spent := 0
	for p.spend() {
		spent++
	}
	if spent != paceSamples*hedgeShare/100 {
		t.Errorf("%d second requests for %d fetches", spent, paceSamples)
	}
	for range 1_000_000 / hedgeShare {
		p.observe(time.Microsecond)
	}
	if p.patience() != minPatience || p.budget != hedgeBurst {
		t.Errorf("patience %v, budget %d", p.patience(), p.budget)
	}
}

func TestBuffers(t *testing.T) {
	var b Buffers
	for _, n := range []int{0, 1, 1024, 1536, 1537, 1 << 20, MaxEncoded(1 << 20), protocol.MaxBlockSize, MaxEncoded(protocol.MaxBlockSize), 40 << 20} {
		p := b.Get(n)
		if len(p) != n || n > 64<<10 && n <= protocol.MaxBlockSize && cap(p) > 2*n {
			t.Errorf("%d bytes: length %d, capacity %d", n, len(p), cap(p))
		}
		b.Put(p)
		b.Put(make([]byte, n))
	}
	if class(MaxEncoded(1<<20)) != class(1<<20) {
		t.Error("a block's zstd form is of another class than the block")
	}
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 1000, 1 << 17, 1<<20 + 1, protocol.MaxBlockSize} {
		noise := make([]byte, n)
		x := uint64(n)
		for i := range noise {
			x = x*6364136223846793005 + 1442695040888963407
			noise[i] = byte(x >> 56)
		}
		body := codec.Encode(nil, noise)
		if len(body) > MaxEncoded(n) {
			t.Errorf("%d bytes became %d, more than %d", n, len(body), MaxEncoded(n))
		}
		got, err := codec.Decode(make([]byte, n), body)
		if err != nil || !bytes.Equal(got, noise) {
			t.Errorf("%d bytes came back as %d, %v", n, len(got), err)
		}
	}
}

// TestJoinSome: what many attempts say alike is told once, and not more than a few.
func TestJoinSome(t *testing.T) {
	var causes []error
	for i := range 30 {
		causes = append(causes, fmt.Errorf("cause %d", i/3))
	}
	if got, want := joinSome(causes).Error(), "cause 4\ncause 5\ncause 6\ncause 7\ncause 8\ncause 9"; got != want {
		t.Errorf("joined %q, not %q", got, want)
	}
}
