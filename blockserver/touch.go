package blockserver

import (
	"context"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// touched is how one hash of a batch ended.
type touched struct {
	claim protocol.Claim
	err   error
}

// touch is POST /v1/touch: each hash is verified, raised to the version and
// acknowledged, or reported absent (ENOENT, nothing else), or failed with a
// kind. Without a version it is the highest that the node has seen.
func (s *Server) touch(ctx context.Context, q *pb.TouchRequest) (*pb.TouchAnswer, error) {
	if _, err := s.admitted(); err != nil {
		return nil, err
	}
	hashes, err := unpackHashes(q.GetHashes())
	if err != nil {
		return nil, err
	}
	version := s.highestSeen()
	if v := q.GetVersion(); v != nil {
		version = protocol.Version{Generation: v.GetGeneration(), Counter: v.GetCounter()}
		if err := s.believable(ctx, version); err != nil {
			return nil, err
		}
	}
	select {
	case s.touches <- struct{}{}:
		defer func() { <-s.touches }()
	default:
		return nil, protocol.Errorf(protocol.Busy, "%d touch requests are in flight already; try again later", maxTouches)
	}
	results := s.touchAll(ctx, hashes, version)
	if err := ctx.Err(); err != nil {
		return nil, protocol.Errorf(protocol.Canceled, "touch: %w", err)
	}
	return touchAnswer(hashes, results), nil
}

// unpackHashes reads hashes that stand side by side.
func unpackHashes(packed []byte) ([]protocol.Hash, error) {
	n := len(packed) / protocol.HashSize
	switch {
	case len(packed)%protocol.HashSize != 0:
		return nil, protocol.Errorf(protocol.InvalidArgument, "packed hashes have %d bytes each; %d bytes are no whole number of them", protocol.HashSize, len(packed))
	case n > protocol.MaxTouchBatch:
		return nil, protocol.Errorf(protocol.TooLarge, "one request touches at most %d blocks, not %d", protocol.MaxTouchBatch, n)
	}
	out := make([]protocol.Hash, n)
	for i := range out {
		out[i] = protocol.Hash(packed[i*protocol.HashSize:][:protocol.HashSize])
	}
	return out, nil
}

// touchAll touches every hash, at most touchSlots of them at once over all
// requests. It returns when all are done or ctx has ended.
func (s *Server) touchAll(ctx context.Context, hashes []protocol.Hash, v protocol.Version) []touched {
	results := make([]touched, len(hashes))
	var all sync.WaitGroup
	for i, h := range hashes {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			all.Wait()
			return results
		}
		all.Go(func() {
			defer func() { <-s.slots }()
			results[i].claim, results[i].err = s.store.Touch(ctx, h, v)
		})
	}
	all.Wait()
	return results
}

func touchAnswer(hashes []protocol.Hash, results []touched) *pb.TouchAnswer {
	answer := &pb.TouchAnswer{}
	for i, r := range results {
		h := hashes[i]
		switch kind := protocol.KindOf(r.err); kind {
		case 0:
			answer.Acks = append(answer.Acks, ackOf(r.claim))
		case protocol.NotFound:
			answer.Absent = append(answer.Absent, h[:]...)
		default:
			answer.Failed = append(answer.Failed, h[:]...)
			answer.FailedKinds = append(answer.FailedKinds, uint32(kind))
		}
	}
	return answer
}
