package cut

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Budget bounds the bytes of pieces that exist at once, and their number. It is
// safe for concurrent use and serves whoever waits longest first.
type Budget struct {
	sem          *semaphore.Weighted
	total, least int64
}

// NewBudget returns a budget of total bytes for at most pieces pieces. One piece
// is always let through, however large.
func NewBudget(total int64, pieces int) *Budget {
	return &Budget{sem: semaphore.NewWeighted(total), total: total, least: max(1, total/int64(pieces))}
}

// Charge is what n bytes cost.
func (b *Budget) Charge(n int) int64 { return min(max(int64(n), b.least), b.total) }

// Take waits until n bytes are free and returns their cost, to be given back.
// The error is Canceled. Whoever waits here must hold nothing of the budget.
func (b *Budget) Take(ctx context.Context, n int) (cost int64, err error) {
	cost = b.Charge(n)
	if err := b.sem.Acquire(ctx, cost); err != nil {
		return 0, protocol.Errorf(protocol.Canceled, "waiting for memory: %w", context.Cause(ctx))
	}
	return cost, nil
}

// Give gives back a cost, or a part of it.
func (b *Budget) Give(cost int64) { b.sem.Release(cost) }

// Piece is one block's plain bytes, as cut, with what it costs of the budget.
type Piece struct {
	// Offset is where the piece begins in the stream.
	Offset int64
	Plain  []byte
	// Cost is what the piece still owes its budget.
	Cost int64
}

// Shrink gives back the part of p's cost that n bytes do not need.
func (b *Budget) Shrink(p *Piece, n int) {
	if less := b.Charge(n); less < p.Cost {
		b.Give(p.Cost - less)
		p.Cost = less
	}
}
