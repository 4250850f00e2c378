package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// place is one copy of one block.
type place struct {
	hash protocol.Hash
	node protocol.NodeID
}

// counted lists the copies that the metadata counts for the blocks of all objects,
// and says that each block has R of them.
func counted(ctx context.Context, sdk *client.Client, redundancy int) (map[place]bool, error) {
	places := map[place]bool{}
	for e, err := range sdk.List(ctx, bucket) {
		if err != nil {
			return nil, err
		}
		ans := &pb.LookupAnswer{}
		if err := sdk.Ask(ctx, protocol.PathLookup, &pb.LookupRequest{Bucket: bucket, Name: e.Name}, ans); err != nil {
			return nil, err
		}
		if ans.GetMore() {
			return nil, fmt.Errorf("%s has more blocks than one page", e.Name)
		}
		copies := make([]int, len(ans.GetBlocks().GetPlainSizes()))
		for _, c := range ans.GetCopies() {
			if !c.GetTrusted() {
				continue
			}
			copies[c.GetBlock()]++
			h := protocol.Hash(ans.GetBlocks().GetHashes()[c.GetBlock()*protocol.HashSize:])
			places[place{h, protocol.NodeID(c.GetNode())}] = true
		}
		for i, n := range copies {
			if n < redundancy {
				return nil, fmt.Errorf("block %d of %s has %d trusted copies of %d", i, e.Name, n, redundancy)
			}
		}
	}
	return places, nil
}

// everyCopy reads every counted copy of every block of every object from its own
// blockserver and checks its bytes.
func (t *run) everyCopy(ctx context.Context) error {
	return t.withNodes(ctx, func(sdk *client.Client, status *pb.ClusterStatus, nodes map[protocol.NodeID]string) error {
		places, err := counted(ctx, sdk, int(status.GetRedundancy()))
		if err != nil {
			return err
		}
		for p := range places {
			plain, err := fetch(ctx, nodes[p.node], protocol.PathBlocks+"/"+p.hash.String(), protocol.TypeBytes)
			if err == nil {
				err = p.hash.Verify(plain)
			}
			if err != nil {
				return fmt.Errorf("block %s is counted on node %s: %w", p.hash, p.node, err)
			}
		}
		return nil
	})
}

// noStrays waits until the inventories of all blockservers are the counted copies
// of the blocks of all objects, no more and no less.
func (t *run) noStrays(ctx context.Context) error {
	var last time.Time
	return until(ctx, func(ctx context.Context) error {
		err := t.withNodes(ctx, func(sdk *client.Client, status *pb.ClusterStatus, nodes map[protocol.NodeID]string) error {
			want, err := counted(ctx, sdk, int(status.GetRedundancy()))
			if err != nil {
				return err
			}
			return compare(ctx, nodes, want)
		})
		if err != nil && time.Since(last) > restartWalks {
			err = errors.Join(err, t.transfer(ctx))
			last = time.Now()
		}
		return err
	})
}

func compare(ctx context.Context, nodes map[protocol.NodeID]string, want map[place]bool) error {
	found := 0
	for node, address := range nodes {
		items, err := inventory(ctx, address)
		if err != nil {
			return err
		}
		for _, i := range items {
			h := protocol.Hash(i.GetHash())
			if !want[place{h, node}] || i.GetState() != "good" {
				return fmt.Errorf("node %s holds block %s, %s, at version %d.%d, which is not counted there",
					node, h, i.GetState(), i.GetVersion().GetGeneration(), i.GetVersion().GetCounter())
			}
			found++
		}
	}
	if found != len(want) {
		return fmt.Errorf("%d copies are counted and %d are there", len(want), found)
	}
	return nil
}

// nothingRemains deletes all objects and waits until no record and no file is left.
func (t *run) nothingRemains(ctx context.Context) error {
	if err := t.with(ctx, func(sdk *client.Client) error { return deleteAll(ctx, sdk) }); err != nil {
		return err
	}
	if err := t.settles(ctx); err != nil {
		return err
	}
	return until(ctx, func(ctx context.Context) error {
		return t.withNodes(ctx, func(_ *client.Client, status *pb.ClusterStatus, nodes map[protocol.NodeID]string) error {
			n := status.GetCounters()
			if left := n.GetObjects() + n.GetLiveBlocks() + n.GetReferences() + n.GetCountedCopies() + n.GetCopiesStoredBytes() + n.GetInlineBytes(); left > 0 {
				return fmt.Errorf("what is counted is not zero: %v", n)
			}
			return compare(ctx, nodes, nil)
		})
	})
}

// deleteAll deletes what is in every bucket: some faults write too.
func deleteAll(ctx context.Context, sdk *client.Client) error {
	var failed []error
	for b, err := range sdk.List(ctx, "") {
		if err != nil {
			return err
		}
		in := strings.TrimSuffix(b.Prefix, "/")
		var names []string
		for e, err := range sdk.List(ctx, in) {
			if err != nil {
				return err
			}
			names = append(names, e.Name)
		}
		outcomes, err := sdk.DeleteBatch(ctx, in, names)
		failed = append(append(failed, outcomes...), err)
	}
	return errors.Join(failed...)
}

// withNodes runs fn with the blockservers' addresses.
func (t *run) withNodes(ctx context.Context, fn func(*client.Client, *pb.ClusterStatus, map[protocol.NodeID]string) error) error {
	return t.with(ctx, func(sdk *client.Client) error {
		status, err := sdk.Status(ctx)
		if err != nil {
			return err
		}
		nodes := map[protocol.NodeID]string{}
		for _, n := range status.GetNodes() {
			if n.GetState() != pb.NodeState_NODE_STATE_REMOVED {
				nodes[protocol.NodeID(n.GetNode())] = n.GetAddress()
			}
		}
		return fn(sdk, status, nodes)
	})
}

func inventory(ctx context.Context, address string) (items []*pb.InventoryItem, err error) {
	after := ""
	for {
		body, err := fetch(ctx, address, protocol.PathInventory+after, protocol.TypeProtobuf)
		if err != nil {
			return nil, err
		}
		page := &pb.InventoryPage{}
		if err := page.UnmarshalVT(body); err != nil {
			return nil, err
		}
		items = append(items, page.GetItems()...)
		if len(page.GetNext()) == 0 {
			return items, nil
		}
		after = fmt.Sprintf("?after=%x", page.GetNext())
	}
}

// fetch is a GET as anybody might send it.
func fetch(ctx context.Context, address, path, accept string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, protocol.MaxMetaAnswer+protocol.MaxStoredSize))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s%s answers %s: %s", address, path, resp.Status, body)
	}
	return body, err
}
