package integration_test

import (
	"context"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// TestKillDuringCopy: one metaserver and one blockserver, any of them, are killed
// while a tree is copied in. The copy ends well, and what comes back is the same.
func TestKillDuringCopy(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c, ctx := start(t, cluster.Config{})

	source := goTree(t, "src")
	copying := c.Command(ctx, "cp", "-r", source, "src/go")
	done := begin(t, copying)
	waitForObjects(t, ctx, c, 200)
	meta, block := c.Meta[random.IntN(3)], c.Block[random.IntN(3)]
	t.Logf("killing %s and %s", meta.Name, block.Name)
	meta.Kill()
	waitForObjects(t, ctx, c, 600)
	block.Kill()
	if err := <-done; err != nil {
		t.Fatalf("the copy failed: %v", err)
	}
	checkSame(t, ctx, c, "src/go", source)
}

// TestKillLeaderDuringCopy kills the leader itself, starts it again and kills the
// next one: no write is lost or doubled.
func TestKillLeaderDuringCopy(t *testing.T) {
	c, ctx := start(t, cluster.Config{})
	source := goTree(t, "src/net")
	done := begin(t, c.Command(ctx, "cp", "-r", source, "src/net"))
	for round := range 2 {
		waitForObjects(t, ctx, c, uint64(50+100*round))
		leader, err := c.Leader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("killing the leader %s", leader.Name)
		if err := leader.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatalf("the copy failed: %v", err)
	}
	checkSame(t, ctx, c, "src/net", source)
}

// begin runs cmd in the background; its output goes with its error.
func begin(t *testing.T, cmd *exec.Cmd) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%s", text)
		}
		done <- err
	}()
	return done
}

func checkSame(t *testing.T, ctx context.Context, c *cluster.Cluster, from, source string) {
	t.Helper()
	back := filepath.Join(t.TempDir(), "back")
	if text, err := c.Command(ctx, "cp", "-r", from, back).CombinedOutput(); err != nil {
		t.Fatalf("copy back: %v: %s", err, text)
	}
	if text, err := exec.CommandContext(ctx, "diff", "-r", source, back).CombinedOutput(); err != nil {
		t.Fatalf("diff -r: %v: %.2000s", err, text)
	}
}
