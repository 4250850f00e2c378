package client

import (
	"context"

	"github.com/seed-7d21a5b5/ashlar/client/internal/blocks"
	"github.com/seed-7d21a5b5/ashlar/client/internal/cut"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// BlockStat describes one block as the metaservers know it (reclamation.md,
// Words).
type BlockStat struct {
	Hash Hash `json:"hash"`
	// Phase is "none", "live", "unreferenced" or "condemned".
	Phase      string  `json:"phase"`
	References uint64  `json:"references"`
	Floor      Version `json:"floor"`
	// PlainSize and StoredSize are bytes, without the file's header.
	PlainSize  int64       `json:"plain_size"`
	StoredSize int64       `json:"stored_size"`
	Copies     []BlockCopy `json:"copies,omitempty"`
	Drops      []BlockCopy `json:"drops,omitempty"`
	Pending    []NodeID    `json:"pending,omitempty"`
	Wanted     []NodeID    `json:"wanted,omitempty"`
	// Redundancy is the copies that the block is to have: the most that any of its
	// references asks for. ReferencesByRedundancy[r] counts the references that ask
	// for r, and [0] those that ask for as many as the cluster makes; it is empty if
	// all do.
	Redundancy             int      `json:"redundancy"`
	ReferencesByRedundancy []uint64 `json:"references_by_redundancy,omitempty"`
}

// BlockCopy is one node's copy at its version.
type BlockCopy struct {
	Node    NodeID  `json:"node"`
	Version Version `json:"version"`
	Trusted bool    `json:"trusted"`
}

// PutBlock stores one block of 1 to protocol.MaxBlockSize bytes on as many nodes as
// the cluster asks for and returns its hash. No object refers to it, so it is kept
// only for a while.
func (c *Client) PutBlock(ctx context.Context, plain []byte) (Hash, error) {
	if len(plain) == 0 || len(plain) > protocol.MaxBlockSize {
		return Hash{}, protocol.Errorf(protocol.TooLarge, "a block has 1 to %d bytes, not %d", protocol.MaxBlockSize, len(plain))
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Hash{}, err
	}
	defer end()
	cost, err := c.putBudget.Take(ctx, len(plain))
	if err != nil {
		return Hash{}, err
	}
	pc := &cut.Piece{Plain: c.buffers.Get(len(plain)), Cost: cost}
	copy(pc.Plain, plain)
	parcel := c.wrap(protocol.HashOf(plain), pc)
	parcel.Hold()
	defer parcel.Release()
	if _, err := c.fleet.Store(ctx, parcel, c.meta.Seen(), blocks.Need{}, nil); err != nil {
		return Hash{}, err
	}
	c.stats.sent(len(parcel.Body))
	return parcel.Hash, nil
}

// GetBlock reads one block: from its counted copies, and from the nodes where it
// belongs if it has none.
func (c *Client) GetBlock(ctx context.Context, h Hash) ([]byte, error) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	info, err := c.blockInfo(ctx, h, Linearizable)
	if err != nil {
		return nil, err
	}
	ref := blocks.Ref{Hash: h, Size: -1}
	if n := info.GetPlainSize(); n > 0 && n <= protocol.MaxBlockSize {
		ref.Size = int(n)
	}
	for _, copied := range info.GetCopies() {
		ref.Copies = append(ref.Copies, blocks.Copy{Node: NodeID(copied.GetNode()), Trusted: copied.GetTrusted()})
	}
	counted := len(ref.Copies) > 0
	if !counted {
		if ref.Copies, err = c.fleet.Guess(ctx, h); err != nil {
			return nil, err
		}
	}
	plain, err := c.fleet.Fetch(ctx, ref)
	if !counted && protocol.KindOf(err) == protocol.DataLost {
		return nil, protocol.Errorf(protocol.NotFound, "block %s: no object refers to it and no node has it", h)
	}
	if err != nil {
		return nil, err
	}
	c.stats.fetched(len(plain))
	return plain, nil
}

// StatBlock describes one block. A hash that nothing is known of has phase
// "none", or is ErrNotFound.
func (c *Client) StatBlock(ctx context.Context, h Hash, opts ...Option) (BlockStat, error) {
	o, err := collect(verbBlock, opts)
	if err != nil {
		return BlockStat{}, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return BlockStat{}, err
	}
	defer end()
	info, err := c.blockInfo(ctx, h, o.level)
	if err != nil {
		return BlockStat{}, err
	}
	s := BlockStat{
		Hash: h, Phase: info.GetPhase(), References: info.GetReferences(), Floor: versionOf(info.GetFloor()),
		PlainSize: int64(info.GetPlainSize()), StoredSize: int64(info.GetStoredSize()),
		Copies: blockCopies(info.GetCopies()), Drops: blockCopies(info.GetDrops()),
		Redundancy: int(info.GetRedundancy()), ReferencesByRedundancy: info.GetReferencesByRedundancy(),
	}
	for _, n := range info.GetPending() {
		s.Pending = append(s.Pending, NodeID(n))
	}
	for _, n := range info.GetWanted() {
		s.Wanted = append(s.Wanted, NodeID(n))
	}
	return s, nil
}

func blockCopies(list []*pb.BlockCopy) []BlockCopy {
	var out []BlockCopy
	for _, b := range list {
		out = append(out, BlockCopy{NodeID(b.GetNode()), versionOf(b.GetVersion()), b.GetTrusted()})
	}
	return out
}

func (c *Client) blockInfo(ctx context.Context, h Hash, l Level) (*pb.BlockInfoAnswer, error) {
	var ans pb.BlockInfoAnswer
	return &ans, c.meta.Read(ctx, protocol.PathBlockInfo, &pb.BlockInfoRequest{Hash: h[:], Level: l.wire()}, &ans)
}
