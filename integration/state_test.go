package integration_test

import (
	"context"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// command runs the ashlar command and returns what it printed.
func command(t *testing.T, ctx context.Context, c *cluster.Cluster, args ...string) string {
	t.Helper()
	text, err := c.Command(ctx, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ashlar %v: %v: %s", args, err, text)
	}
	return string(text)
}

func open(t *testing.T, ctx context.Context, c *cluster.Cluster) *client.Client {
	t.Helper()
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return sdk
}

// dead counts the blocks and references that are on their way out; -1: unknown.
func dead(ctx context.Context, sdk *client.Client) int {
	status, err := sdk.Status(ctx)
	if err != nil {
		return -1
	}
	n := status.GetCounters()
	return int(n.GetUnreferencedBlocks() + n.GetCondemnedBlocks() + n.GetUnreferenceLeft())
}

// nothing tells whether no block is known and no file is left.
func nothing(t *testing.T, ctx context.Context, c *cluster.Cluster, sdk *client.Client) bool {
	t.Helper()
	status, err := sdk.Status(ctx)
	n := status.GetCounters()
	if err != nil || n.GetObjects()+n.GetLiveBlocks()+n.GetUnreferencedBlocks()+n.GetCondemnedBlocks()+n.GetCopiesStoredBytes()+n.GetReferences() > 0 {
		return false
	}
	for _, m := range c.Block {
		if filesOf(t, m) > 0 {
			return false
		}
	}
	return true
}

// noDrift has every metaserver count and check its whole state.
func noDrift(t *testing.T, ctx context.Context, c *cluster.Cluster) {
	t.Helper()
	ask := admin.NewClient(protocol.ID{})
	defer ask.Close()
	for _, m := range c.Meta {
		r, err := ask.Recount(ctx, m.Admin)
		if err != nil || r.Drift || r.Broken != "" {
			t.Errorf("%s counts %s, kept %s, broken %q, error %v", m.Name, r.Recounted, r.Kept, r.Broken, err)
		}
	}
}
