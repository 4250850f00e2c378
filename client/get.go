package client

import (
	"context"
	"errors"

	"github.com/seed-7d21a5b5/ashlar/client/internal/blocks"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Get opens bucket/name for reading. Its first blocks are already on their way
// when Get returns; ctx governs the whole reading, not only this call. The
// caller must close the Reader.
func (c *Client) Get(ctx context.Context, bucket, name string, opts ...Option) (*Reader, error) {
	o, err := collect(verbGet, opts)
	if err == nil {
		err = errors.Join(protocol.CheckBucket(bucket), protocol.CheckName(name))
	}
	if err == nil && o.offset < 0 {
		err = protocol.Errorf(protocol.RangeInvalid, "a range begins at 0 or later, not at %d", o.offset)
	}
	if err != nil {
		return nil, err
	}
	r := &Reader{client: c, bucket: bucket, name: name, options: o, counters: counters{parent: &c.stats}}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Stat describes bucket/name.
func (c *Client) Stat(ctx context.Context, bucket, name string, opts ...Option) (Object, error) {
	o, err := collect(verbStat, opts)
	if err == nil {
		err = errors.Join(protocol.CheckBucket(bucket), protocol.CheckName(name))
	}
	if err != nil {
		return Object{}, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Object{}, err
	}
	defer end()
	ans, err := c.lookup(ctx, &pb.LookupRequest{Bucket: bucket, Name: name, Level: o.level.wire(), IfVersion: o.ifVersion, StatOnly: true})
	if err != nil {
		return Object{}, err
	}
	return objectOf(ans.GetObject())
}

// lookup asks for one page of an object.
func (c *Client) lookup(ctx context.Context, q *pb.LookupRequest) (*pb.LookupAnswer, error) {
	if q.GetLevel() == pb.Level_LEVEL_SESSION {
		q.MinVersion = wireVersion(c.meta.Seen())
	}
	var ans pb.LookupAnswer
	if err := c.meta.Read(ctx, protocol.PathLookup, q, &ans); err != nil {
		return nil, err
	}
	if ans.GetObject() == nil {
		return nil, protocol.Errorf(protocol.Internal, "a metaserver found %s and did not describe it", protocol.Quote(q.GetName()))
	}
	return &ans, nil
}

// extent is one block of an object, with where it begins in it.
type extent struct {
	offset int64
	ref    blocks.Ref
}

// extents reads the blocks of a page, and checks their sizes and copies: what
// is sent here decides how much memory is taken.
func extents(ans *pb.LookupAnswer) ([]extent, error) {
	b := ans.GetBlocks()
	n := len(b.GetPlainSizes())
	if len(b.GetHashes()) != n*protocol.HashSize || n > protocol.MaxBlocksPerPage {
		return nil, protocol.Errorf(protocol.Internal, "a page of blocks has %d bytes of hashes and %d sizes", len(b.GetHashes()), n)
	}
	list := make([]extent, n)
	offset := int64(ans.GetFirstOffset())
	for i := range list {
		size := b.GetPlainSizes()[i]
		if size == 0 || size > protocol.MaxBlockSize {
			return nil, protocol.Errorf(protocol.Internal, "block %d of a page has %d bytes", i, size)
		}
		list[i] = extent{offset: offset, ref: blocks.Ref{Hash: protocol.Hash(b.GetHashes()[i*protocol.HashSize:]), Size: int(size)}}
		offset += int64(size)
	}
	for _, c := range ans.GetCopies() {
		if int(c.GetBlock()) >= n {
			return nil, protocol.Errorf(protocol.Internal, "a copy speaks of block %d of %d", c.GetBlock(), n)
		}
		ref := &list[c.GetBlock()].ref
		ref.Copies = append(ref.Copies, blocks.Copy{Node: protocol.NodeID(c.GetNode()), Trusted: c.GetTrusted()})
	}
	return list, nil
}
