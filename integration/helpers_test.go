package integration_test

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// goTree returns a folder of the Go installation: thousands of real files.
func goTree(t *testing.T, below string) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), below)
}

// await polls until the state is reached; the scenario's own deadline ends it.
func await(t *testing.T, ctx context.Context, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-ctx.Done():
			t.Fatalf("gave up waiting for %s: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// waitForObjects waits until the cluster holds at least n objects.
func waitForObjects(t *testing.T, ctx context.Context, c *cluster.Cluster, n uint64) {
	t.Helper()
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sdk.Close() }()
	await(t, ctx, "objects", func() bool {
		status, err := sdk.Status(ctx)
		return err == nil && status.GetCounters().GetObjects() >= n
	})
}

// checkAcked reads every acknowledged object and compares its content.
func checkAcked(t *testing.T, ctx context.Context, c *cluster.Cluster, acked *sync.Map) {
	t.Helper()
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sdk.Close() }()
	acked.Range(func(name, content any) bool {
		r, err := sdk.Get(ctx, "crash", name.(string))
		if err != nil {
			t.Fatalf("%s was acknowledged: %v", name, err)
		}
		got, err := readAll(r)
		if err != nil || !bytes.Equal(got, content.([]byte)) {
			t.Fatalf("%s came back as %d bytes, error %v; want %d bytes", name, len(got), err, len(content.([]byte)))
		}
		return true
	})
}
