package metaserver

import (
	"context"
	"net/http"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// maxNodeAnswer bounds a blockserver's answer to orders, or a page of its
// inventory, in bytes.
const maxNodeAnswer = 4 << 20

// nodes carries the leader's orders to blockservers.
type nodes struct{ client *rpc.Client }

// Orders is dispatch.Nodes'.
func (n nodes) Orders(ctx context.Context, addr string, batch *pb.OrdersRequest) (*pb.OrdersAnswer, error) {
	ans := &pb.OrdersAnswer{}
	if err := n.client.Call(ctx, addr, protocol.PathOrders, batch, ans); err != nil {
		return nil, err
	}
	return ans, nil
}

// Inventory is dispatch.Nodes'.
func (n nodes) Inventory(ctx context.Context, addr string, after protocol.Hash) (*pb.InventoryPage, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(http.MethodGet)
	req.Header.Set(fasthttp.HeaderAccept, protocol.TypeProtobuf)
	path := protocol.PathInventory
	if !after.IsZero() {
		path += "?after=" + after.String()
	}
	if err := n.client.Do(ctx, addr, path, req, resp); err != nil {
		return nil, err
	}
	page := &pb.InventoryPage{}
	if err := page.UnmarshalVT(resp.Body()); err != nil {
		return nil, protocol.Errorf(protocol.Internal, "the inventory of %s cannot be read: %w", addr, err)
	}
	return page, nil
}
