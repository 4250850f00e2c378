package orders

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// verify reads the block's file and checks its bytes. A bad one is absent,
// durably, before the answer Lost (reclamation.md, Lost); a good one is claimed.
func (w *Worker) verify(ctx context.Context, h protocol.Hash, u protocol.Version) (*pb.OrderAnswer, error) {
	info, err := w.cfg.Store.Verify(ctx, h)
	if err == nil {
		var claim protocol.Claim
		if claim, err = w.cfg.Store.Touch(ctx, h, info.Version); err == nil {
			return claimed(pb.Outcome_OUTCOME_HELD, claim), nil
		}
	}
	if absent(err) {
		return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_LOST}, nil
	}
	return nil, err
}
