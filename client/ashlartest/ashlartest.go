// Package ashlartest gives your Go tests a real Ashlar cluster: 3 metaservers and
// 3 blockservers in the test's own process, on loopback ports of their own, with
// their data in a folder that goes away with the test.
//
//	func TestBackup(t *testing.T) {
//		c := ashlartest.Start(t)
//		_, err := c.Client().Put(t.Context(), "backups", "monday", strings.NewReader("..."))
//		...
//	}
//
// It is the same code that runs in production, down to Raft and fsync, so what
// passes here passes there. Starting takes about a second. Servers can be killed
// and restarted in the middle of a test to see what your code does then.
//
// Invariants: a failure to start or stop fails the test; nothing keeps running
// after it.
package ashlartest

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/embedded"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
)

// LogVariable names the environment variable that, when it is not empty, sends
// the servers' logs to the test's output.
const LogVariable = "ASHLAR_TEST_LOG"

// patience bounds starting, stopping and waiting for a member. It is generous,
// because test machines are busy.
const patience = 90 * time.Second

// Cluster is a running cluster with a client.
type Cluster struct {
	*embedded.Cluster
	t      testing.TB
	client *client.Client
}

// Option changes the cluster that Start starts.
type Option func(*embedded.Config)

// WithBlockservers asks for n blockservers instead of 3.
func WithBlockservers(n int) Option { return func(c *embedded.Config) { c.Blockservers = n } }

// WithMetaservers asks for n metaservers instead of 3.
func WithMetaservers(n int) Option { return func(c *embedded.Config) { c.Metaservers = n } }

// WithDir keeps the data in dir, to start on it again.
func WithDir(dir string) Option { return func(c *embedded.Config) { c.Dir = dir } }

// Start starts a cluster and a client, and stops both when the test ends.
func Start(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	// A new leader is found in well under a second, which keeps tests short.
	quick := replica.Config{HeartbeatTimeout: 300 * time.Millisecond, ElectionTimeout: 300 * time.Millisecond, LeaderLeaseTimeout: 150 * time.Millisecond, CacheBytes: 8 << 20}
	cfg := embedded.Config{Replica: quick, Logger: logger(t), ReadyTimeout: patience}
	for _, o := range opts {
		o(&cfg)
	}
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	inner, err := embedded.Start(ctx, cfg)
	if err != nil {
		t.Fatalf("ashlartest: %v", err)
	}
	c := &Cluster{Cluster: inner, t: t}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := inner.Close(ctx); err != nil {
			t.Errorf("ashlartest: closing the cluster: %v", err)
		}
	})
	c.client = c.Open(client.Config{})
	return c
}

// Client returns a client that is closed when the test ends.
func (c *Cluster) Client() *client.Client { return c.client }

// Open opens another client with cfg, whose Endpoints are filled in if there are
// none. It is closed when the test ends.
func (c *Cluster) Open(cfg client.Config) *client.Client {
	c.t.Helper()
	if len(cfg.Endpoints) == 0 {
		cfg.Endpoints = c.Endpoints()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	opened, err := client.Open(ctx, cfg)
	if err != nil {
		c.t.Fatalf("ashlartest: %v", err)
	}
	c.t.Cleanup(func() { _ = opened.Close() })
	return opened
}

func logger(t testing.TB) *slog.Logger {
	if os.Getenv(LogVariable) == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
