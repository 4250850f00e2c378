package api

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// prepare says which hashes need no upload, and a version good as an upload's u.
// Any replica may answer: what is stale costs a refusal at worst.
// One that knows the metadata to be rolled back does not: its version is one that
// nodes have passed.
func (a *API) prepare(ctx context.Context, q *pb.PrepareRequest) (*pb.PrepareAnswer, error) {
	if err := checkPrepare(q); err != nil {
		return nil, err
	}
	return read(ctx, a, pb.Level_LEVEL_STALE, nil, q, served(state.Prepare))
}

// claims counts acknowledgements that came after their commit.
func (a *API) claims(ctx context.Context, q *pb.ClaimsRequest) (*pb.ClaimsAnswer, error) {
	res, err := a.propose(ctx, &record.Command{Body: &record.Command_Copied{Copied: q}})
	if err != nil {
		return nil, err
	}
	ans := res.GetCopied()
	if ans == nil {
		return nil, noBody("claims")
	}
	return ans, nil
}

// blockInfo shows one block record.
func (a *API) blockInfo(ctx context.Context, q *pb.BlockInfoRequest) (*pb.BlockInfoAnswer, error) {
	if err := checkBlockInfo(q); err != nil {
		return nil, err
	}
	return read(ctx, a, q.GetLevel(), nil, q, state.BlockInfo)
}
