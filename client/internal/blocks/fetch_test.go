package blocks

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func (w *world) ref(plain []byte) Ref {
	r := Ref{Hash: protocol.HashOf(plain), Size: len(plain)}
	for _, n := range w.nodes {
		r.Copies = append(r.Copies, Copy{Node: n.id, Trusted: true})
	}
	return r
}

// TestLyingNodes: whatever a node sends, Fetch gives the block or an error.
func TestLyingNodes(t *testing.T) {
	plain := []byte(strings.Repeat("the block that was asked for ", 500))
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	zstd := func(b []byte) []byte { return codec.Encode(nil, b) }
	good, bomb := zstd(plain), zstd(make([]byte, 64<<20))
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	flippedKind := protocol.HashMismatch
	if _, err := codec.Decode(make([]byte, len(plain)), flipped); err != nil {
		flippedKind = protocol.KindOf(err)
	}
	for _, lie := range []struct {
		name string
		get  func(*fasthttp.RequestCtx) error
		// reported is the cause that the leader is told, if any.
		reported protocol.Kind
	}{
		{"other bytes", sends(zstd(bytes.ToUpper(plain)), true), protocol.HashMismatch},
		{"other plain bytes", sends(bytes.ToUpper(plain), false), protocol.HashMismatch},
		{"nothing with a success", sends(nil, false), protocol.ShortBody},
		{"nothing called zstd", sends(nil, true), protocol.ShortBody},
		{"half of it", sends(plain[:len(plain)/2], false), protocol.ShortBody},
		{"half of a frame", sends(good[:len(good)/2], true), protocol.Corrupt},
		{"a flipped bit", sends(flipped, true), flippedKind},
		{"too much", sends(append(bytes.Clone(plain), "more"...), false), protocol.SizeExceeded},
		{"two frames", sends(append(bytes.Clone(good), good...), true), protocol.SizeExceeded},
		{"a bomb", sends(bomb, true), protocol.SizeExceeded},
		{"plain called zstd", sends(plain, true), protocol.Corrupt},
		{"zstd called plain", sends(good, false), protocol.ShortBody},
		{"not found", fails(protocol.NotFound), protocol.NotFound},
		{"quarantined", fails(protocol.Quarantined), protocol.Quarantined},
		{"busy", fails(protocol.Busy), 0},
		{"internal", fails(protocol.Internal), 0},
	} {
		t.Run(lie.name, func(t *testing.T) {
			w := newWorld(t, 2)
			liar, honest := w.nodes[0], w.nodes[1]
			liar.serves(lie.get)
			honest.serves(sends(good, true))
			eventually(t, "the liar is asked", func() bool {
				got, err := w.fleet.Fetch(t.Context(), w.ref(plain))
				if err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("with one honest node: %d bytes, %v", len(got), err)
				}
				w.fleet.cfg.Buffers.Put(got)
				return liar.count() > 0
			})
			if lie.reported != 0 {
				eventually(t, "it is reported, once", func() bool { return w.reported()["1 "+lie.reported.String()] == 1 })
			} else if r := w.reported(); len(r) != 0 {
				t.Errorf("reported %v", r)
			}
			honest.serves(lie.get)
			want := protocol.DataLost
			if lie.reported == 0 {
				want = protocol.Unavailable
			}
			_, err := w.fleet.Fetch(t.Context(), w.ref(plain))
			if protocol.KindOf(err) != want || !strings.Contains(err.Error(), protocol.HashOf(plain).String()) {
				t.Errorf("with none: %v", err)
			}
		})
	}
}

// TestHedge: a copy that does not come is raced by another.
func TestHedge(t *testing.T) {
	w := newWorld(t, 2)
	plain := []byte("the block")
	hold := make(chan struct{})
	for _, n := range w.nodes {
		n.serves(func(ctx *fasthttp.RequestCtx) error {
			first := n.count() == 1 && w.nodes[0].count()+w.nodes[1].count() == 1
			if first {
				<-hold
			}
			return sends(plain, false)(ctx)
		})
	}
	got, err := w.fleet.Fetch(t.Context(), w.ref(plain))
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%q, %v", got, err)
	}
	close(hold)
}

func TestFetchCanceled(t *testing.T) {
	w := newWorld(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	hold := make(chan struct{})
	w.nodes[0].serves(func(*fasthttp.RequestCtx) error {
		cancel()
		<-hold
		return nil
	})
	_, err := w.fleet.Fetch(ctx, w.ref([]byte("block")))
	if protocol.KindOf(err) != protocol.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled fetch: %v", err)
	}
	close(hold)
	if _, err := w.fleet.Fetch(t.Context(), Ref{Hash: protocol.Hash{1}, Size: 5}); protocol.KindOf(err) != protocol.DataLost {
		t.Errorf("a block without copies: %v", err)
	}
}

// TestOrderByPlace: each demerit weighs more than all after it.
func TestOrderByPlace(t *testing.T) {
	w := newWorld(t, 6)
	w.fleet.cfg.Zone = "here"
	for i, change := range []func(*pb.BlockNode){
		func(n *pb.BlockNode) { n.Zone, n.State = "here", pb.NodeState_NODE_STATE_DOWN },
		func(n *pb.BlockNode) { n.Address, n.Zone = "192.0.2.1:1", "there" },
		func(n *pb.BlockNode) { n.Address, n.Zone = "192.0.2.1:1", "here" },
		func(n *pb.BlockNode) { n.Zone, n.State = "there", pb.NodeState_NODE_STATE_MAINTENANCE },
		func(n *pb.BlockNode) { n.Zone = "there" },
		func(n *pb.BlockNode) { n.Zone, n.State = "here", pb.NodeState_NODE_STATE_DRAINING },
	} {
		change(w.layout.Nodes[i])
	}
	l, err := w.fleet.place(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.fleet.order(l, w.ref([]byte("x"))), []protocol.NodeID{6, 5, 4, 3, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("the order is %v, want %v: healthy, this host, this zone, staying", got, want)
	}
	w.fleet.cfg.Zone = ""
	if got, want := w.fleet.order(l, w.ref([]byte("x"))), []protocol.NodeID{5, 4, 6, 2, 3, 1}; !slices.Equal(got, want) {
		t.Errorf("a client that stands nowhere goes by %v, want %v", got, want)
	}
}

func TestOrder(t *testing.T) {
	w := newWorld(t, 5)
	l, err := w.fleet.place(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	r := w.fleet.roster
	for i, waiting := range []int{4, 0, 2, 0, 1} {
		h := r.at(protocol.NodeID(i + 1))
		h.latency, h.inflight = time.Millisecond, waiting
	}
	ref := w.ref([]byte("x"))
	ref.Copies[1].Trusted = false
	r.begin(4)
	r.end(4, 0, protocol.Errorf(protocol.Unavailable, "down"))
	if got, want := w.fleet.order(l, ref), []protocol.NodeID{5, 3, 1, 2, 4}; !slices.Equal(got, want) {
		t.Errorf("the order is %v, want %v: in health, trusted, quickest first", got, want)
	}
}

// FuzzDecode feeds the decoder what a node may send.
func FuzzDecode(f *testing.F) {
	codec, err := NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(codec.Encode(nil, []byte("a block")), 7)
	f.Add(codec.Encode(nil, make([]byte, 100_000)), 100)
	f.Add([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"), 4)
	f.Fuzz(func(t *testing.T, body []byte, size int) {
		size = max(0, min(size, 1<<20))
		dst := make([]byte, size)
		got, err := codec.Decode(dst, body)
		if err == nil && len(got) > size {
			t.Fatalf("%d bytes were decoded into %d", len(got), size)
		}
		if k := protocol.KindOf(err); err != nil && k != protocol.Corrupt && k != protocol.SizeExceeded {
			t.Fatalf("kind %v", k)
		}
	})
}
