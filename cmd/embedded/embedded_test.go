package embedded

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// What raft never answers when it is shut down.
		goleak.IgnoreAnyFunction("github.com/hashicorp/raft.(*deferError).Error"),
		// The servers' library: one clock for the process, and one that looks every
		// ten seconds whether its server was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

func quick(dir string) Config {
	return Config{Dir: dir, Metaservers: 3, Blockservers: 3, Replica: replica.Config{
		HeartbeatTimeout: 300 * time.Millisecond, ElectionTimeout: 300 * time.Millisecond,
		LeaderLeaseTimeout: 150 * time.Millisecond, CacheBytes: 8 << 20,
	}}
}

func start(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

func stop(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func open(t *testing.T, c *Cluster) *client.Client {
	t.Helper()
	cl, err := client.Open(t.Context(), client.Config{Endpoints: c.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Close() })
	return cl
}

// TestResume: what was acknowledged is there when the folder is started again.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("kept across starts ", 10_000)
	var id protocol.ID
	var endpoints []string
	for round := range 2 {
		c := start(t, quick(dir))
		cl := open(t, c)
		if round == 0 {
			id, endpoints = cl.Cluster(), c.Endpoints()
			if _, err := cl.Put(t.Context(), "bucket", "object", strings.NewReader(content)); err != nil {
				t.Fatal(err)
			}
		}
		if cl.Cluster() != id || strings.Join(c.Endpoints(), " ") != strings.Join(endpoints, " ") {
			t.Errorf("start %d: cluster %s at %v, before %s at %v", round, cl.Cluster(), c.Endpoints(), id, endpoints)
		}
		r, err := cl.Get(t.Context(), "bucket", "object")
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		if _, err := r.WriteTo(&got); err != nil || got.String() != content {
			t.Errorf("start %d: %d bytes, %v", round, got.Len(), err)
		}
		_ = r.Close()
		_ = cl.Close()
		stop(t, c)
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"another base port", func(c *Config) { c.BasePort = 21400 }, "--base-port"},
		{"another size", func(c *Config) { c.Blockservers = 5 }, "3 blockservers"},
	} {
		cfg := quick(dir)
		tc.change(&cfg)
		if _, err := Start(t.Context(), cfg); protocol.KindOf(err) != protocol.InvalidArgument || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// TestPortTaken: the error names the port and the way out, nothing keeps
// running, and the folder is as it was.
func TestPortTaken(t *testing.T) {
	// Some base port whose neighbours are free, but for one that this test takes.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	cfg := quick(t.TempDir())
	cfg.BasePort = port - blockPorts
	_, err = Start(t.Context(), cfg)
	if protocol.KindOf(err) != protocol.Unavailable || !strings.Contains(err.Error(), strconv.Itoa(port)) && !strings.Contains(err.Error(), "taken") || !strings.Contains(err.Error(), "--base-port") {
		t.Errorf("a taken port: %v", err)
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, portsFile)); !os.IsNotExist(err) {
		t.Errorf("ports were written down: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no folder":         {},
		"a port too high":   {Dir: "x", BasePort: 65530},
		"a port below none": {Dir: "x", BasePort: -1},
		"many metaservers":  {Dir: "x", Metaservers: 8},
		"many blockservers": {Dir: "x", Blockservers: 11},
	} {
		if _, err := Start(t.Context(), cfg); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	for _, body := range []string{"", "{}", `{"format":2,"metaservers":[{"client":1}]}`, strings.Repeat(" ", maxPortFile+1)} {
		if err := os.WriteFile(filepath.Join(dir, portsFile), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Start(t.Context(), quick(dir)); protocol.KindOf(err) != protocol.Corrupt {
			t.Errorf("ports file %.20q: %v", body, err)
		}
	}
}

func TestMembers(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.BasePort = freeBase(t)
	c := start(t, cfg)
	if got := c.Endpoints()[2]; got != loopback(cfg.BasePort+2) {
		t.Errorf("the third endpoint is %s", got)
	}
	if got := c.AdminEndpoints()[0] + " " + c.BlockEndpoints()[1]; got != loopback(cfg.BasePort+30)+" "+loopback(cfg.BasePort+21) {
		t.Errorf("admin and block endpoints are %s", got)
	}
	cl := open(t, c)
	status, err := cl.Status(t.Context())
	if err != nil || len(status.GetMembers()) != 3 || len(status.GetNodes()) != 3 || status.GetNodes()[0].GetZone() != "zone-1" {
		t.Errorf("%v, %v", status, err)
	}
	node := c.NodeOf(1)
	for range 2 {
		if err := c.KillBlockserver(1); err != nil {
			t.Error(err)
		}
	}
	if c.NodeOf(1) != 0 {
		t.Error("a dead node has a number")
	}
	if err := c.RestartBlockserver(t.Context(), 1); err != nil || c.NodeOf(1) != node {
		t.Errorf("back as node %d, was %d: %v", c.NodeOf(1), node, err)
	}
	if err := c.RestartBlockserver(t.Context(), 1); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Errorf("restarting what runs: %v", err)
	}
	leader := waitForLeader(t, c)
	if err := c.KillMetaserver(leader); err != nil {
		t.Error(err)
	}
	if err := c.RestartMetaserver(t.Context(), leader); err != nil {
		t.Error(err)
	}
	if _, err := cl.Put(t.Context(), "bucket", "object", strings.NewReader("x")); err != nil {
		t.Error(err)
	}
}

func waitForLeader(t *testing.T, c *Cluster) int {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if i := c.Leader(); i >= 0 {
			return i
		}
	}
	t.Fatal("nobody leads")
	return 0
}

// freeBase finds a base port that nobody listens around just now.
func freeBase(t *testing.T) int {
	t.Helper()
	for base := 23400 + os.Getpid()%1000*10; base < 64000; base += 50 {
		free := true
		for _, kind := range []int{clientPorts, raftPorts, blockPorts, adminPorts} {
			for i := range 3 {
				ln, err := net.Listen("tcp", loopback(base+kind+i))
				if err != nil {
					free = false
					continue
				}
				_ = ln.Close()
			}
		}
		if free {
			return base
		}
	}
	t.Fatal("no free base port")
	return 0
}
