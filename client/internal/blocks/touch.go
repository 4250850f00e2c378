package blocks

import (
	"context"
	"slices"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Touch asks the nodes that may hold the hashes to verify their copies and to
// raise them to u, and returns what they claim: wanted nodes first, then, for a
// hash with fewer claims than a quorum, all others. A node that cannot be asked
// claims nothing.
func (f *Fleet) Touch(ctx context.Context, hashes []protocol.Hash, u protocol.Version, need Need) (map[protocol.Hash][]protocol.Claim, error) {
	l, err := f.place(ctx, true)
	if err != nil {
		return nil, err
	}
	quorum := need.in(l).Quorum
	claims := map[protocol.Hash][]protocol.Claim{}
	wanted := func(h protocol.Hash) []protocol.NodeID { return l.wanted(h, need.Redundancy) }
	f.touchAt(ctx, l, wanted, hashes, u, claims)
	short := slices.DeleteFunc(slices.Clone(hashes), func(h protocol.Hash) bool { return len(claims[h]) >= quorum })
	if len(short) > 0 {
		others := func(h protocol.Hash) []protocol.NodeID {
			return slices.DeleteFunc(l.further(h, wanted(h)), func(n protocol.NodeID) bool { return l.state(n) == pb.NodeState_NODE_STATE_DOWN })
		}
		f.touchAt(ctx, l, others, short, u, claims)
	}
	if ctx.Err() != nil {
		return nil, protocol.Errorf(protocol.Canceled, "touching %d blocks: %w", len(hashes), context.Cause(ctx))
	}
	return claims, nil
}

// touchAt asks each node that where names, all at once, and adds to claims.
func (f *Fleet) touchAt(ctx context.Context, l *layout, where func(protocol.Hash) []protocol.NodeID, hashes []protocol.Hash, u protocol.Version, claims map[protocol.Hash][]protocol.Claim) {
	byNode := map[protocol.NodeID][]protocol.Hash{}
	for _, h := range hashes {
		for _, n := range where(h) {
			byNode[n] = append(byNode[n], h)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n, list := range byNode {
		wg.Go(func() {
			for batch := range slices.Chunk(list, protocol.MaxTouchBatch) {
				acks, err := f.touchOne(ctx, l, n, batch, u)
				if err != nil {
					f.cfg.Logger.Debug("touch failed", "node", n, "err", err)
					return
				}
				mu.Lock()
				for _, c := range acks {
					claims[c.Hash] = append(claims[c.Hash], c)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func (f *Fleet) touchOne(ctx context.Context, l *layout, n protocol.NodeID, batch []protocol.Hash, u protocol.Version) ([]protocol.Claim, error) {
	q := &pb.TouchRequest{Version: &pb.Version{Generation: u.Generation, Counter: u.Counter}}
	for _, h := range batch {
		q.Hashes = append(q.Hashes, h[:]...)
	}
	body, err := q.MarshalVT()
	if err != nil {
		return nil, err
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.Header.SetContentType(protocol.TypeProtobuf)
	req.Header.Set(fasthttp.HeaderAccept, protocol.TypeProtobuf)
	req.SetBodyRaw(body)
	// A touch reads and checks each block, so it is given time for their bytes.
	if err := f.exchange(ctx, l, n, protocol.PathTouch, len(batch)*protocol.DefaultBlockSize, req, resp); err != nil {
		return nil, err
	}
	var a pb.TouchAnswer
	if err := a.UnmarshalVT(resp.Body()); err != nil {
		return nil, protocol.Errorf(protocol.Internal, "node %d answered a touch with something else: %w", n, err)
	}
	return touchClaims(&a, n, batch)
}

// touchClaims reads a's acknowledgements; each must speak of a hash of batch.
func touchClaims(a *pb.TouchAnswer, n protocol.NodeID, batch []protocol.Hash) ([]protocol.Claim, error) {
	var out []protocol.Claim
	for _, ack := range a.GetAcks() {
		h, err := protocol.HashFromBytes(ack.GetHash())
		if err != nil || !slices.Contains(batch, h) {
			return nil, protocol.Errorf(protocol.Internal, "node %d touched what it was not asked for", n)
		}
		c, err := claimOf(ack, h, n)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}
