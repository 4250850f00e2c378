package blockserver

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// inventory is GET /v1/inventory?after={hash}&limit={1..1000}: one page of what
// is here, in hash order over all disks.
func (s *Server) inventory(ctx *fasthttp.RequestCtx) error {
	if err := verb(ctx, "GET", fasthttp.MethodGet); err != nil {
		return err
	}
	args, err := query(ctx, "after", "limit")
	if err != nil {
		return err
	}
	after, limit, err := pageOf(args)
	if err != nil {
		return err
	}
	items, next, more, err := s.store.List(rpc.Context(ctx), after, limit)
	if err != nil {
		return err
	}
	page := &pb.InventoryPage{Items: make([]*pb.InventoryItem, len(items))}
	if m := s.member.Load(); m != nil {
		page.Node, page.Incarnation = uint32(m.node), uint64(m.incarnation)
	}
	for i := range items {
		item := &items[i]
		page.Items[i] = &pb.InventoryItem{
			Hash: item.Hash[:], Version: versionOf(item.Version), PlainSize: item.PlainSize,
			StoredSize: item.StoredSize, State: item.State.String(), Disk: item.Disk,
		}
	}
	if more {
		page.Next = next[:]
	}
	return rpc.Reply(ctx, fasthttp.StatusOK, page)
}

// pageOf reads after and limit; by default the largest page from the beginning.
func pageOf(args map[string]string) (after protocol.Hash, limit int, err error) {
	if text, ok := args["after"]; ok && text != "" {
		if after, err = protocol.ParseHash(text); err != nil {
			return after, 0, err
		}
	}
	limit = protocol.MaxInventoryPage
	if text, ok := args["limit"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > protocol.MaxInventoryPage || strconv.Itoa(n) != text {
			return after, 0, protocol.Errorf(protocol.InvalidArgument, "limit is 1 to %d, not %s", protocol.MaxInventoryPage, protocol.Quote(text))
		}
		limit = n
	}
	return after, limit, nil
}
