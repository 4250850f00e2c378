package blocks

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// layoutAge is how long a layout is used before it is asked for again, when
// something suggests that it may be old. A stale one is never wrong, only slow.
const layoutAge = time.Second

// Nodes change their states without a new layout version, so one in use is asked
// for again behind the callers' backs: after quietAge where all nodes are up, after
// troubledAge where one is not.
const (
	quietAge    = 30 * time.Second
	troubledAge = 3 * time.Second
)

// layout is one answer about placement, never changed after it was made.
type layout struct {
	answer  *pb.Layout
	nodes   map[protocol.NodeID]*pb.BlockNode
	fetched time.Time
	// refreshing: a newer one is being asked for behind the callers' backs.
	refreshing atomic.Bool
}

func newLayout(a *pb.Layout, now time.Time) *layout {
	l := &layout{answer: a, nodes: make(map[protocol.NodeID]*pb.BlockNode, len(a.GetNodes())), fetched: now}
	for _, n := range a.GetNodes() {
		l.nodes[protocol.NodeID(n.GetNode())] = n
	}
	return l
}

// partition is a hash's first 12 bits (pb.Layout).
func partition(h protocol.Hash) int { return int(h[0])<<4 | int(h[1])>>4 }

// age is how long l may be used before it is asked for again.
func (l *layout) age() time.Duration {
	for _, n := range l.answer.GetNodes() {
		if !placed(n.GetState()) {
			return troubledAge
		}
	}
	return quietAge
}

// tableFor is the table that blocks of a redundancy stand by, 0 being the
// cluster's. Where the layout has none, as one from before a bucket asked for it,
// it is the cluster's, which is found false.
func (l *layout) tableFor(redundancy int) (table []uint32, width int, found bool) {
	for _, own := range l.answer.GetOwn() {
		if int(own.GetRedundancy()) == redundancy {
			return own.GetTable(), int(own.GetWidth()), true
		}
	}
	return l.answer.GetTable(), int(l.answer.GetWidth()), redundancy == 0 || redundancy == int(l.answer.GetRedundancy())
}

// wanted returns the nodes that h of a redundancy belongs to, best first, with
// spares.
func (l *layout) wanted(h protocol.Hash, redundancy int) []protocol.NodeID {
	table, width, _ := l.tableFor(redundancy)
	from := partition(h) * width
	if width == 0 || from+width > len(table) {
		return nil
	}
	out := make([]protocol.NodeID, 0, width)
	for _, n := range table[from : from+width] {
		if _, known := l.nodes[protocol.NodeID(n)]; known && !slices.Contains(out, protocol.NodeID(n)) {
			out = append(out, protocol.NodeID(n))
		}
	}
	return out
}

// further returns all other nodes, ranked by a hash of block and node so that a
// failed node's load spreads over all of them.
func (l *layout) further(h protocol.Hash, wanted []protocol.NodeID) []protocol.NodeID {
	var out []protocol.NodeID
	for _, n := range l.answer.GetNodes() {
		id := protocol.NodeID(n.GetNode())
		if n.GetState() != pb.NodeState_NODE_STATE_REMOVED && !slices.Contains(wanted, id) {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b protocol.NodeID) int {
		return cmp.Or(cmp.Compare(rank(h, b), rank(h, a)), cmp.Compare(a, b))
	})
	return out
}

// placed tells whether new blocks belong on a node in this state. One that is
// draining, down, in maintenance or not in the layout yet is written to only where
// a quorum cannot be had otherwise.
func placed(s pb.NodeState) bool {
	return s == pb.NodeState_NODE_STATE_UNKNOWN || s == pb.NodeState_NODE_STATE_UP
}

// state returns a node's state, down for one that the layout lacks.
func (l *layout) state(n protocol.NodeID) pb.NodeState {
	if node := l.nodes[n]; node != nil {
		return node.GetState()
	}
	return pb.NodeState_NODE_STATE_DOWN
}

// rank mixes block and node as splitmix64 does (https://prng.di.unimi.it/splitmix64.c).
func rank(h protocol.Hash, n protocol.NodeID) uint64 {
	x := binary.BigEndian.Uint64(h[8:16]) + uint64(n)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// layouts keeps the newest layout met.
type layouts struct {
	current atomic.Pointer[layout]
	// atLeast is the highest layout version heard of.
	atLeast atomic.Uint64
	// asking is held by whoever asks for a layout.
	asking chan struct{}
}

// usable returns the current layout unless it is too old for this use.
func (c *layouts) usable(refresh bool) *layout {
	l := c.current.Load()
	if l == nil || l.answer.GetLayoutVersion() < c.atLeast.Load() || refresh && time.Since(l.fetched) > layoutAge {
		return nil
	}
	return l
}

// place returns the layout to use: the cached one, or a fresh one when there is
// none, a newer one was heard of, or it is older than layoutAge and refresh is
// set. Where nobody answers, the cached one is used on.
func (f *Fleet) place(ctx context.Context, refresh bool) (*layout, error) {
	c := &f.layouts
	if l := c.usable(refresh); l != nil {
		if time.Since(l.fetched) > l.age() && l.refreshing.CompareAndSwap(false, true) {
			f.work.Go(func() { f.renew(l) })
		}
		return l, nil
	}
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return nil, protocol.Errorf(protocol.Canceled, "asking for the layout: %w", context.Cause(ctx))
	}
	if l := c.usable(refresh); l != nil {
		return l, nil
	}
	l, err := f.askLayout(ctx)
	if err != nil {
		if l := c.current.Load(); l != nil && ctx.Err() == nil {
			return l, nil
		}
		return nil, err
	}
	return l, nil
}

// placeFor is place for blocks of a need: a layout without its table is asked for
// again, if it is not young.
func (f *Fleet) placeFor(ctx context.Context, refresh bool, n Need) (*layout, error) {
	l, err := f.place(ctx, refresh)
	if err != nil || refresh {
		return l, err
	}
	if _, _, found := l.tableFor(n.Redundancy); !found {
		return f.place(ctx, true)
	}
	return l, nil
}

// askLayout asks for the layout and keeps it; under layouts.asking.
func (f *Fleet) askLayout(ctx context.Context) (*layout, error) {
	var a pb.Layout
	if err := f.meta.Read(ctx, protocol.PathLayout, &pb.LayoutRequest{}, &a); err != nil {
		return nil, err
	}
	l := newLayout(&a, time.Now())
	f.layouts.current.Store(l)
	// A replica that lags is not asked again before the next word of a newer one.
	f.layouts.atLeast.Store(l.answer.GetLayoutVersion())
	return l, nil
}

// renew asks for a layout in the place of old, unless somebody is asking already.
func (f *Fleet) renew(old *layout) {
	select {
	case f.layouts.asking <- struct{}{}:
		defer func() { <-f.layouts.asking }()
	default:
		old.refreshing.Store(false)
		return
	}
	ctx, cancel := context.WithTimeout(f.ctx, f.cfg.ExchangeTimeout)
	defer cancel()
	if _, err := f.askLayout(ctx); err != nil {
		old.refreshing.Store(false)
	}
}

// heard notes that a layout of this version exists.
func (c *layouts) heard(version uint64) {
	for {
		old := c.atLeast.Load()
		if version <= old || c.atLeast.CompareAndSwap(old, version) {
			return
		}
	}
}
