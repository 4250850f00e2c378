package blocks

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Copy is one counted copy of a block.
type Copy struct {
	Node    protocol.NodeID
	Trusted bool
}

// Ref names a block to be read. Size is its length in bytes, negative where it
// is not known.
type Ref struct {
	Hash   protocol.Hash
	Size   int
	Copies []Copy
}

// got is how one exchange ended.
type got struct {
	node  protocol.NodeID
	plain []byte
	err   error
}

// Fetch reads r from the best of its copies into a slice from the fleet's
// Buffers, which the caller owns then. Every failed copy gives way to the next,
// and a slow one is raced by a second. The error is DataLost when every copy is
// absent or bad, Unavailable when some could not be asked, both naming the block
// and the causes, or Canceled.
func (f *Fleet) Fetch(ctx context.Context, r Ref) ([]byte, error) {
	l, err := f.place(ctx, f.strangers(r))
	if err != nil {
		return nil, err
	}
	race, cancel := context.WithCancel(ctx)
	defer cancel()
	line := f.order(l, r)
	if len(line) == 0 {
		return nil, protocol.Errorf(protocol.DataLost, "block %s: no copy is counted", r.Hash)
	}
	results := make(chan got, len(line))
	pending := 0
	next := func() {
		n := line[0]
		line = line[1:]
		pending++
		f.work.Go(func() {
			plain, err := f.load(race, l, n, r)
			results <- got{n, plain, err}
		})
	}
	next()
	hedge := time.NewTimer(f.pace.patience())
	defer hedge.Stop()
	var causes []error
	lost := true
	for pending > 0 {
		select {
		case g := <-results:
			pending--
			if g.err == nil {
				cancel()
				f.discard(results, pending)
				return g.plain, nil
			}
			causes = append(causes, fmt.Errorf("node %d: %w", g.node, g.err))
			lost = lost && gone(g.err)
			f.complain(r.Hash, g)
			if len(line) > 0 && ctx.Err() == nil {
				next()
			}
		case <-hedge.C:
			if len(line) > 0 && f.pace.spend() {
				next()
			}
		}
	}
	return nil, unread(ctx, r.Hash, lost, causes)
}

// unread makes the error of a block that no copy gave.
func unread(ctx context.Context, h protocol.Hash, lost bool, causes []error) error {
	if ctx.Err() != nil {
		return protocol.Errorf(protocol.Canceled, "reading block %s: %w", h.Short(), context.Cause(ctx))
	}
	if lost {
		return protocol.Errorf(protocol.DataLost, "block %s: every copy is absent or bad: %w", h, joinSome(causes))
	}
	return protocol.Errorf(protocol.Unavailable, "block %s: no copy could be read: %w", h, joinSome(causes))
}

// gone tells whether err proves that the copy is absent or bad.
func gone(err error) bool {
	switch protocol.KindOf(err) {
	case protocol.NotFound, protocol.Quarantined, protocol.Corrupt, protocol.HashMismatch, protocol.SizeExceeded, protocol.ShortBody:
		return true
	}
	return false
}

// complain reports a copy that is absent or bad.
func (f *Fleet) complain(h protocol.Hash, g got) {
	if gone(g.err) {
		f.tell.report(report{h, g.node, protocol.KindOf(g.err)})
	}
}

// discard takes back the buffers of the exchanges that lost the race.
func (f *Fleet) discard(results chan got, pending int) {
	if pending == 0 {
		return
	}
	f.work.Go(func() {
		for range pending {
			if g := <-results; g.err == nil {
				f.cfg.Buffers.Put(g.plain)
			}
		}
	})
}

// strangers tells whether r has a copy on a node that the layout lacks.
func (f *Fleet) strangers(r Ref) bool {
	l := f.layouts.current.Load()
	return l != nil && slices.ContainsFunc(r.Copies, func(c Copy) bool { return l.nodes[c.Node] == nil })
}

// ranked is one copy and what speaks against asking it first: demerits, each one
// weighing more than all after it, then the time that its node is expected to take.
type ranked struct {
	node     protocol.NodeID
	demerits [5]bool
	cost     time.Duration
}

// order ranks r's copies: those on nodes in good health first, then trusted
// ones, then those on this host, then those in this zone, then those on nodes that
// nobody is about to take away, then by what the node is expected to take.
func (f *Fleet) order(l *layout, r Ref) []protocol.NodeID {
	list := make([]ranked, 0, len(r.Copies))
	for _, c := range r.Copies {
		n, state := l.nodes[c.Node], l.state(c.Node)
		list = append(list, ranked{node: c.Node, cost: f.roster.cost(c.Node), demerits: [...]bool{
			state == pb.NodeState_NODE_STATE_DOWN || !f.roster.well(c.Node),
			!c.Trusted,
			n == nil || !f.sameHost(n.GetAddress()),
			n == nil || n.GetZone() != f.cfg.Zone && f.cfg.Zone != "",
			!placed(state) && state != pb.NodeState_NODE_STATE_JOINING,
		}})
	}
	slices.SortStableFunc(list, func(a, b ranked) int {
		for i := range a.demerits {
			if a.demerits[i] != b.demerits[i] {
				if a.demerits[i] {
					return 1
				}
				return -1
			}
		}
		return cmp.Compare(a.cost, b.cost)
	})
	out := make([]protocol.NodeID, len(list))
	for i, k := range list {
		out[i] = k.node
	}
	return out
}

// load does one GET and returns verified plain bytes.
func (f *Fleet) load(ctx context.Context, l *layout, n protocol.NodeID, r Ref) ([]byte, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(fasthttp.MethodGet)
	req.Header.Set(fasthttp.HeaderAcceptEncoding, "zstd")
	begun := time.Now()
	if err := f.exchange(ctx, l, n, blockPath(r.Hash), r.Size, req, resp); err != nil {
		return nil, err
	}
	plain, err := f.decode(r, resp)
	if err != nil {
		return nil, err
	}
	f.pace.observe(time.Since(begun))
	return plain, nil
}

// decode takes a block's plain bytes out of resp and checks them.
func (f *Fleet) decode(r Ref, resp *fasthttp.Response) ([]byte, error) {
	size := r.Size
	if size < 0 {
		size = protocol.MaxBlockSize
	}
	buf := f.cfg.Buffers.Get(size)
	plain, err := f.plain(buf[:0:size], resp)
	if err == nil && r.Size >= 0 && len(plain) != r.Size {
		err = protocol.Errorf(protocol.ShortBody, "the node sent %d of %d bytes", len(plain), r.Size)
	}
	if err == nil {
		err = r.Hash.Verify(plain)
	}
	if err != nil {
		f.cfg.Buffers.Put(buf)
		return nil, err
	}
	return buf[:len(plain)], nil
}

func (f *Fleet) plain(dst []byte, resp *fasthttp.Response) ([]byte, error) {
	if bytes.Equal(resp.Header.ContentEncoding(), []byte("zstd")) {
		return f.cfg.Codec.Decode(dst, resp.Body())
	}
	if len(resp.Body()) > cap(dst) {
		return nil, protocol.Errorf(protocol.SizeExceeded, "the node sent %d bytes of a block of %d", len(resp.Body()), cap(dst))
	}
	return append(dst, resp.Body()...), nil
}

// Guess returns the nodes that may have a block of which no copy is counted:
// those where it belongs, then all others.
func (f *Fleet) Guess(ctx context.Context, h protocol.Hash) ([]Copy, error) {
	l, err := f.place(ctx, false)
	if err != nil {
		return nil, err
	}
	wanted := l.wanted(h, 0)
	var out []Copy
	for _, n := range wanted {
		out = append(out, Copy{Node: n, Trusted: true})
	}
	for _, n := range l.further(h, wanted) {
		out = append(out, Copy{Node: n})
	}
	return out, nil
}
