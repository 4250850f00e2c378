package integration_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestRestoreMetadata: the metadata is backed up; then objects are put, and some of
// those of before deleted with their blocks. All metaservers are lost, and begin
// anew from the backup, in a new generation. What was acknowledged before the
// backup reads back, or, where its blocks were deleted since, is counted as having
// no copy; what came after is gone, its files too; the counters have no drift; and
// everything can be deleted down to nothing.
func TestRestoreMetadata(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c, ctx := start(t, cluster.Config{})
	command(t, ctx, c, "gc", "set", "--grace", "0s")
	sdk := open(t, ctx, c)
	stay := putMany(t, ctx, sdk, "stay", seed, 40)
	putMany(t, ctx, sdk, "gone", seed+1, 30)
	_ = sdk.Close()
	file := filepath.Join(t.TempDir(), "backup")
	t.Logf("%s", command(t, ctx, c, "cluster", "backup", file))

	sdk = open(t, ctx, c)
	putMany(t, ctx, sdk, "after", seed+2, 30)
	_ = sdk.Close()
	command(t, ctx, c, "rm", "-r", "gone/")
	sdk = open(t, ctx, c)
	await(t, ctx, "the deletes to be done", func() bool { return dead(ctx, sdk) == 0 && filesOf(t, c.Block[0]) == 70 })
	_ = sdk.Close()

	for _, m := range c.Members() {
		m.Kill()
	}
	if err := c.Restore(ctx, file, 2); err != nil {
		t.Fatal(err)
	}
	sdk = open(t, ctx, c)
	unsuspected := func() (*pb.Counters, bool) {
		status, err := sdk.Status(ctx)
		if err != nil || status.GetVersion().GetGeneration() != 2 {
			return nil, false
		}
		for _, n := range status.GetNodes() {
			if n.GetSuspect() {
				return nil, false
			}
		}
		return status.GetCounters(), true
	}
	await(t, ctx, "every inventory to be taken", func() bool { _, ok := unsuspected(); return ok })
	// The inventories have shown the strays, and they stay until somebody has looked.
	for _, m := range c.Block {
		if n := filesOf(t, m); n != 70 {
			t.Errorf("%s has %d files, not the 70 of when the metadata was lost", m.Name, n)
		}
	}
	command(t, ctx, c, "gc", "resume")
	await(t, ctx, "losses counted and strays gone", func() bool {
		counters, ok := unsuspected()
		for _, m := range c.Block {
			ok = ok && filesOf(t, m) == 40
		}
		copies := counters.GetReferencedByCopies()
		return ok && len(copies) > 3 && copies[0] == 30 && copies[3] == 40
	})
	readBack(t, ctx, sdk, "stay", stay)
	checkLost(t, ctx, sdk)
	noDrift(t, ctx, c)
	fresh := putMany(t, ctx, sdk, "fresh", seed+3, 10)
	readBack(t, ctx, sdk, "fresh", fresh)
	_ = sdk.Close()
	sdk = open(t, ctx, c)
	for _, bucket := range []string{"stay/", "gone/", "fresh/"} {
		command(t, ctx, c, "rm", "-r", bucket)
	}
	await(t, ctx, "everything dead to be gone", func() bool { return nothing(t, ctx, c, sdk) })
	_ = sdk.Close()
	noDrift(t, ctx, c)
}

// checkLost: what was deleted after the backup has a name and no bytes; what was
// put after it has no name.
func checkLost(t *testing.T, ctx context.Context, sdk *client.Client) {
	t.Helper()
	for i := range 30 {
		if _, err := sdk.Stat(ctx, "after", fmt.Sprint(i)); protocol.KindOf(err) != protocol.NotFound {
			t.Errorf("after/%d was put after the backup: %v", i, err)
		}
		r, err := sdk.Get(ctx, "gone", fmt.Sprint(i))
		if err == nil {
			_, err = readAll(r)
		}
		if err == nil {
			t.Errorf("gone/%d has no copy and is read", i)
		}
	}
}
