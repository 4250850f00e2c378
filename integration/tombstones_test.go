package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestTombstonesWaitForTheAbsent: everything is deleted while one blockserver is
// down. The others come back to no blocks at all; what is left in the metadata
// waits for that one alone, and goes when it returns. What still has a name is
// read all along. The metaservers' clocks differ by years all the time, and each
// other one leads when the absent node is back: no clock takes part in any of it.
// A blockserver reads no wall clock at all. ASHLAR_BLOCKS sets the number of blocks.
func TestTombstonesWaitForTheAbsent(t *testing.T) {
	blocks := 1000
	if s := os.Getenv("ASHLAR_BLOCKS"); s != "" {
		var err error
		if blocks, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("%d blocks, seed %d", blocks, seed)
	c, ctx := start(t, cluster.Config{Blockservers: 4})
	// It stays open: an idle session holds back no row from being reaped.
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sdk.Close() }()
	if text, err := c.Command(ctx, "gc", "set", "--grace", "0s").CombinedOutput(); err != nil {
		t.Fatalf("gc set: %v: %s", err, text)
	}
	kept := putMany(t, ctx, sdk, "kept", seed, 20)
	putMany(t, ctx, sdk, "gone", seed+1, blocks)
	await(t, ctx, "every file to be a counted copy", func() bool {
		files := 0
		for _, m := range c.Block {
			files += filesOf(t, m)
		}
		status, err := sdk.Status(ctx)
		return err == nil && status.GetCounters().GetCountedCopies() == uint64(files)
	})
	absent := c.Block[3]
	want := filesOf(t, absent) - keptOn(t, absent, kept)
	absent.Kill()
	oldLeader := shiftClocks(t, ctx, c)
	if text, err := c.Command(ctx, "rm", "-r", "gone/").CombinedOutput(); err != nil {
		t.Fatalf("rm -r: %v: %s", err, text)
	}
	await(t, ctx, "the three that are up to hold what is kept alone, and a tombstone for each file of the fourth", func() bool {
		readBack(t, ctx, sdk, "kept", kept)
		for _, m := range c.Block[:3] {
			if filesOf(t, m) > len(kept) {
				return false
			}
		}
		status, err := sdk.Status(ctx)
		n := status.GetCounters()
		return err == nil && n.GetUnreferencedBlocks() == 0 && n.GetUnreferenceLeft() == 0 && n.GetCondemnedBlocks() == uint64(want)
	})
	t.Logf("%d tombstones wait for the absent node, one for each of its files", want)
	if err := absent.Start(); err != nil {
		t.Fatal(err)
	}
	if err := oldLeader.Restart(); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, "the tombstones to go", func() bool {
		readBack(t, ctx, sdk, "kept", kept)
		status, err := sdk.Status(ctx)
		return err == nil && status.GetCounters().GetCondemnedBlocks() == 0 && filesOf(t, absent) <= len(kept)
	})
	noDrift(t, ctx, c)
	if text, err := c.Command(ctx, "rm", "-r", "kept/").CombinedOutput(); err != nil {
		t.Fatalf("rm -r: %v: %s", err, text)
	}
	await(t, ctx, "everything dead to be gone", func() bool {
		status, err := sdk.Status(ctx)
		n := status.GetCounters()
		if err != nil || n.GetLiveBlocks()+n.GetUnreferencedBlocks()+n.GetCondemnedBlocks()+n.GetCopiesStoredBytes()+n.GetReferences() > 0 {
			return false
		}
		for _, m := range c.Block {
			if filesOf(t, m) > 0 {
				return false
			}
		}
		return true
	})
}

// shiftClocks starts the metaservers again, one after the other, with clocks years
// ahead and behind, and returns the one that leads then.
func shiftClocks(t *testing.T, ctx context.Context, c *cluster.Cluster) *cluster.Member {
	t.Helper()
	for i, offset := range []string{"70000h", "-40000h", "20000h"} {
		if err := c.Meta[i].With("--clock-offset", offset).Restart(); err != nil {
			t.Fatal(err)
		}
		await(t, ctx, "the metaservers to have a leader", func() bool {
			leader, err := c.Leader(ctx)
			return err == nil && leader.Running()
		})
	}
	leader, err := c.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return leader
}

// putMany puts n objects of one block each, 16 at once, and returns contents by
// name.
func putMany(t *testing.T, ctx context.Context, sdk *client.Client, bucket string, seed uint64, n int) map[string][]byte {
	t.Helper()
	contents := map[string][]byte{}
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		contents[fmt.Sprint(i)] = randomBytes(random, 4000+random.IntN(8000))
	}
	names := make(chan string)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for name := range names {
				if _, err := sdk.Put(ctx, bucket, name, bytes.NewReader(contents[name])); err != nil {
					t.Errorf("put %s: %v", name, err)
				}
			}
		})
	}
	for name := range contents {
		names <- name
	}
	close(names)
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return contents
}

func readBack(t *testing.T, ctx context.Context, sdk *client.Client, bucket string, contents map[string][]byte) {
	t.Helper()
	for name, want := range contents {
		r, err := sdk.Get(ctx, bucket, name)
		if err != nil {
			t.Fatalf("get %s/%s: %v", bucket, name, err)
		}
		if got, err := readAll(r); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s/%s came back as %d bytes, error %v", bucket, name, len(got), err)
		}
	}
}

// keptOn counts the node's files of contents that are kept.
func keptOn(t *testing.T, m *cluster.Member, kept map[string][]byte) (n int) {
	t.Helper()
	for _, content := range kept {
		h := protocol.HashOf(content).String()
		if _, err := os.Stat(filepath.Join(m.Data, "data", h[:2], h[2:4], h)); err == nil {
			n++
		}
	}
	return n
}

// filesOf counts the block files in a blockserver's folder.
func filesOf(t *testing.T, m *cluster.Member) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(m.Data, "data", "??", "??", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
