package orders

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// delete is Delete(h, t) of reclamation.md: a file goes if and only if its version
// is below t. What stays is a claim besides, so its bytes are verified by a touch
// at the version that it has.
func (w *Worker) delete(ctx context.Context, h protocol.Hash, t protocol.Version) (*pb.OrderAnswer, error) {
	answer, err := w.cfg.Store.Delete(ctx, h, t)
	if err != nil {
		return nil, err
	}
	if !answer.Kept {
		return &pb.OrderAnswer{Outcome: pb.Outcome_OUTCOME_NONE_BELOW}, nil
	}
	claim, err := w.cfg.Store.Touch(ctx, h, answer.Version)
	if err != nil {
		return nil, err
	}
	return claimed(pb.Outcome_OUTCOME_KEPT, claim), nil
}
