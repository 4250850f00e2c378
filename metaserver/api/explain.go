package api

import (
	"cmp"
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Limits of explain.
const (
	// DefaultExplainScan and MaxExplainScan bound the rows that are looked at for
	// who refers to a block.
	DefaultExplainScan = 20_000
	MaxExplainScan     = 1_000_000
	// explainPage is how many of them are read from one view.
	explainPage = 2_000
	// maxHolders bounds the holders that are named.
	maxHolders = 100
)

// explainBlock tells all that is known of one block. The leader answers, since it
// alone knows what is under way. The holders are found by a bounded scan in
// pages, which need not be of one moment.
func (a *API) explainBlock(ctx context.Context, q *pb.ExplainRequest) (*pb.ExplainAnswer, error) {
	h, err := protocol.HashFromBytes(q.GetHash())
	if err != nil {
		return nil, err
	}
	ans := &pb.ExplainAnswer{}
	if err := a.cfg.Work.Explain(ctx, h, ans); err != nil {
		return nil, err
	}
	ans.Block, err = read(ctx, a, pb.Level_LEVEL_STALE, nil, &pb.BlockInfoRequest{Hash: q.Hash}, served(state.BlockInfo))
	if err != nil {
		return nil, err
	}
	if ans.Work, err = read(ctx, a, pb.Level_LEVEL_STALE, nil, h, workAbout); err != nil {
		return nil, err
	}
	return ans, a.holders(ctx, h, int(min(cmp.Or(q.GetScanLimit(), DefaultExplainScan), MaxExplainScan)), ans)
}

// workAbout lists what the schedule has about a block.
func workAbout(r state.Reader, h protocol.Hash) ([]*pb.WorkRow, error) {
	works, err := state.WorkAbout(r, h)
	rows := make([]*pb.WorkRow, len(works))
	for i, w := range works {
		rows[i] = workRow(w)
	}
	return rows, err
}

func (a *API) holders(ctx context.Context, h protocol.Hash, limit int, ans *pb.ExplainAnswer) error {
	left := ans.Block.GetReferences()
	var after []byte
	for left > 0 {
		if int(ans.RowsScanned) >= limit || len(ans.Holders) >= maxHolders {
			ans.Cut = true
			return nil
		}
		page, err := read(ctx, a, pb.Level_LEVEL_STALE, nil, after, func(r state.Reader, after []byte) (state.HolderPage, error) {
			return state.Holders(r, h, after, min(explainPage, limit-int(ans.RowsScanned)))
		})
		if err != nil {
			return err
		}
		ans.RowsScanned += uint64(page.Scanned)
		for _, holder := range page.Holders {
			left -= min(left, holder.References)
			ans.Holders = append(ans.Holders, holder)
		}
		if after = page.Next; after == nil {
			return nil
		}
	}
	return nil
}
