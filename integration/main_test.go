package integration_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// binary is the command under test, built once.
var binary string

// scenarioTimeout bounds one scenario.
const scenarioTimeout = 15 * time.Minute

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ashlar-integration")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if binary, err = cluster.Build(dir, false); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// start runs a cluster for one test.
func start(t *testing.T, cfg cluster.Config) (*cluster.Cluster, context.Context) {
	t.Helper()
	if cluster.Raced {
		t.Skip("the race detector does not see processes of their own")
	}
	ctx, cancel := context.WithTimeout(t.Context(), scenarioTimeout)
	t.Cleanup(cancel)
	cfg.Binary, cfg.Dir = binary, t.TempDir()
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c, ctx
}
