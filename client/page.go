package client

import (
	"context"
	"slices"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/client/internal/blocks"
	"github.com/seed-7d21a5b5/ashlar/client/internal/cut"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// block is one block of an object on its way.
type block struct {
	offset int64
	size   int
	hash   protocol.Hash
	err    error

	// Under page.mu: stored is its compressed size, as far as it is known here (a
	// block that is live keeps the size that the metaservers have); claims are all
	// so far, told how many of them the commit under way carries.
	stored int
	claims []protocol.Claim
	told   int
}

// page is the blocks that one commit or upload page will name.
type page struct {
	blocks []*block
	// carried is done when every block is where it should be or has an error.
	carried sync.WaitGroup

	mu sync.Mutex
	// first is the first block of each hash, which alone is sent.
	first map[protocol.Hash]*block
	// settled: the blocks are committed, so later claims go by themselves.
	settled bool
}

func newPage() *page { return &page{first: map[protocol.Hash]*block{}} }

// add appends a block for pc.
func (pg *page) add(pc *cut.Piece) *block {
	b := &block{offset: pc.Offset, size: len(pc.Plain)}
	pg.blocks = append(pg.blocks, b)
	return b
}

// claim names b, and reports whether it is the page's first block of that hash.
func (pg *page) claim(b *block, h protocol.Hash) bool {
	pg.mu.Lock()
	defer pg.mu.Unlock()
	b.hash = h
	if pg.first[h] != nil {
		return false
	}
	pg.first[h] = b
	return true
}

// replace makes claims b's only ones.
func (pg *page) replace(b *block, claims []protocol.Claim) {
	pg.mu.Lock()
	defer pg.mu.Unlock()
	b.claims = claims
	for _, c := range claims {
		b.stored = int(c.StoredSize)
	}
}

// wire lists the page for the metaservers, with every claim that came so far.
func (pg *page) wire() (*pb.Blocks, []*pb.Claim) {
	pg.mu.Lock()
	defer pg.mu.Unlock()
	out := &pb.Blocks{
		Hashes:     make([]byte, 0, len(pg.blocks)*protocol.HashSize),
		PlainSizes: make([]uint32, 0, len(pg.blocks)), StoredSizes: make([]uint32, 0, len(pg.blocks)),
	}
	var claims []*pb.Claim
	for i, b := range pg.blocks {
		first := pg.first[b.hash]
		stored := first.stored
		if stored == 0 {
			stored = first.size
		}
		blocks.AppendBlock(out, b.hash, uint32(b.size), uint32(stored))
		if first != b {
			continue
		}
		b.told = min(len(b.claims), protocol.MaxClaimsPerBlock)
		for _, c := range b.claims[:b.told] {
			claims = append(claims, blocks.WireClaim(uint32(i), c))
		}
	}
	return out, claims
}

// settle marks the page committed and returns the claims that came too late to
// be part of it.
func (pg *page) settle() []protocol.Claim {
	pg.mu.Lock()
	defer pg.mu.Unlock()
	pg.settled = true
	var late []protocol.Claim
	for _, b := range pg.first {
		late = append(late, b.claims[min(b.told, len(b.claims)):]...)
		b.claims = nil
	}
	return late
}

// latecomer returns what to do with claims of b that come after the quorum.
func (p *put) latecomer(pg *page, b *block) func(protocol.Claim) {
	return func(c protocol.Claim) {
		pg.mu.Lock()
		settled := pg.settled
		if !settled {
			b.claims = append(b.claims, c)
		}
		pg.mu.Unlock()
		if settled {
			p.client.fleet.Late(c)
		}
	}
}

// carry brings one block to where it should be: it hashes it, asks whether it
// is live, and otherwise compresses and sends it. It owns pc. With keep, the
// parcel stays in p.only.
func (p *put) carry(ctx context.Context, pg *page, b *block, pc *cut.Piece, keep bool) {
	c := p.client
	if !pg.claim(b, protocol.HashOf(pc.Plain)) || c.fleet.Live(ctx, p.request.GetBucket(), b.hash) {
		c.drop(pc)
		p.counters.same(b.size)
		p.progress(b.size)
		return
	}
	parcel := c.wrap(b.hash, pc)
	parcel.Hold()
	if keep {
		parcel.Hold()
		p.only = parcel
	}
	defer parcel.Release()
	pg.mu.Lock()
	b.stored = len(parcel.Body)
	pg.mu.Unlock()
	need := c.fleet.Need(ctx, p.request.GetBucket())
	claims, err := c.fleet.Store(ctx, parcel, c.meta.Seen(), need, p.latecomer(pg, b))
	if err != nil {
		b.err = err
		return
	}
	pg.mu.Lock()
	b.claims = append(claims, b.claims...)
	pg.mu.Unlock()
	p.counters.sent(len(parcel.Body))
	p.progress(b.size)
}

// wrap compresses pc into a parcel that gives back its buffer and budget.
func (c *Client) wrap(h protocol.Hash, pc *cut.Piece) *blocks.Parcel {
	size := len(pc.Plain)
	body := c.codec.Encode(c.buffers.Get(blocks.MaxEncoded(size))[:0], pc.Plain)
	c.buffers.Put(pc.Plain)
	pc.Plain = nil
	c.putBudget.Shrink(pc, len(body))
	return &blocks.Parcel{Hash: h, Plain: size, Body: body, Free: func() {
		c.buffers.Put(body)
		c.putBudget.Give(pc.Cost)
	}}
}

// drop takes back pc's buffer and budget.
func (c *Client) drop(pc *cut.Piece) {
	c.buffers.Put(pc.Plain)
	c.putBudget.Give(pc.Cost)
}

// settle sends a commit or an upload page until it is taken, and mends refused
// blocks in between (reclamation.md, Commit): each time with a new sequence
// number, since a refusal is an answer. pg may be nil.
func (p *put) settle(ctx context.Context, pg *page, send func() error) error {
	var err error
	for round := range MaxRefusedRounds {
		err = send()
		if err == nil && pg != nil {
			p.client.fleet.Late(pg.settle()...)
		}
		if err == nil || pg == nil || protocol.KindOf(err) != protocol.ClaimsRefused {
			return err
		}
		refused := protocol.AsError(err).Refused
		if len(refused) == 0 {
			return err
		}
		if mending := p.mend(ctx, pg, refused, round > 0); mending != nil {
			return mending
		}
	}
	return err
}

// mend gets fresh claims for refused blocks: from the copies that are still
// there, by touching them, and else by sending the block again.
func (p *put) mend(ctx context.Context, pg *page, refused []protocol.Hash, again bool) error {
	c := p.client
	refused, need := p.wanting(ctx, refused, again)
	quorum, err := c.fleet.Quorum(ctx, need)
	if err != nil {
		return err
	}
	claims, err := c.fleet.Touch(ctx, refused, c.meta.Seen(), need)
	if err != nil {
		return err
	}
	for _, h := range refused {
		b := pg.first[h]
		if b == nil {
			return protocol.Errorf(protocol.Internal, "the metaservers refused block %s, which was not sent", h)
		}
		touched := claims[h]
		if len(touched) < quorum {
			if touched, err = p.resend(ctx, pg, b, touched, need); err != nil {
				return err
			}
		}
		pg.replace(b, touched)
	}
	return nil
}

// wanting returns which of the refused hashes need claims, and how many: those that
// are not live by now, and what the bucket asks for by now. What is refused again
// is held by a bucket that asks for more, or whoever was asked lags behind: then
// all of them need what no block needs more than, the cluster's quorum.
func (p *put) wanting(ctx context.Context, refused []protocol.Hash, again bool) ([]protocol.Hash, blocks.Need) {
	fleet, bucket := p.client.fleet, p.request.GetBucket()
	fleet.Forget(bucket)
	// Asking brings a fresh version besides.
	dead := p.stillDead(ctx, refused)
	need := fleet.Need(ctx, bucket)
	if again {
		need.Quorum = 0
		return slices.Compact(slices.SortedFunc(slices.Values(refused), protocol.Hash.Compare)), need
	}
	return dead, need
}

// stillDead returns the hashes that are not live by now.
func (p *put) stillDead(ctx context.Context, hashes []protocol.Hash) []protocol.Hash {
	dead := make([]bool, len(hashes))
	var wg sync.WaitGroup
	for i, h := range hashes {
		wg.Go(func() { dead[i] = !p.client.fleet.Live(ctx, p.request.GetBucket(), h) })
	}
	wg.Wait()
	var out []protocol.Hash
	for i, h := range hashes {
		if dead[i] && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// resend stores b again: from the parcel that is still here, from a copy that
// was touched, or from the source.
func (p *put) resend(ctx context.Context, pg *page, b *block, touched []protocol.Claim, need blocks.Need) ([]protocol.Claim, error) {
	c := p.client
	if p.only != nil {
		return c.fleet.Store(ctx, p.only, c.meta.Seen(), need, p.latecomer(pg, b))
	}
	cost, err := c.putBudget.Take(ctx, b.size)
	if err != nil {
		return nil, err
	}
	pc := &cut.Piece{Offset: b.offset, Cost: cost}
	if pc.Plain, err = p.again(ctx, b, touched); err != nil {
		c.putBudget.Give(pc.Cost)
		return nil, err
	}
	parcel := c.wrap(b.hash, pc)
	parcel.Hold()
	defer parcel.Release()
	pg.mu.Lock()
	b.stored = len(parcel.Body)
	pg.mu.Unlock()
	claims, err := c.fleet.Store(ctx, parcel, c.meta.Seen(), need, p.latecomer(pg, b))
	if err == nil {
		p.counters.sent(len(parcel.Body))
	}
	return claims, err
}

// again finds the plain bytes of b.
func (p *put) again(ctx context.Context, b *block, touched []protocol.Claim) ([]byte, error) {
	c := p.client
	ref := blocks.Ref{Hash: b.hash, Size: b.size}
	for _, t := range touched {
		ref.Copies = append(ref.Copies, blocks.Copy{Node: t.Node, Trusted: true})
	}
	if len(touched) > 0 {
		if plain, err := c.fleet.Fetch(ctx, ref); err == nil {
			return plain, nil
		}
	}
	buf := c.buffers.Get(b.size)
	if p.source.again(buf, b.offset) && b.hash.Verify(buf) == nil {
		return buf, nil
	}
	c.buffers.Put(buf)
	return nil, protocol.Errorf(protocol.ClaimsRefused, "block %s lost its copies while the object was being put, and the source cannot be read again; put the object again", b.hash.Short())
}
