// Package cluster runs a real cluster for tests: one operating-system process a
// member, of the one binary, with its data and logs below one folder. Members can
// be killed as a power cut would, stopped, frozen and started again on the same
// folder and ports. They stand on loopback, or, if asked for, each on a machine
// of its own (package machines), or each behind proxies (package proxy), so that
// what lies between them can be spoiled.
//
// Invariants: a process is only ever signalled by the id that this package got
// when it started it; every wait ends, either in the state waited for or in an
// error that names the member and the end of its log.
package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/machines"
	"github.com/seed-7d21a5b5/ashlar/integration/proxy"
)

// Config says what to run.
type Config struct {
	// Binary is the ashlar command, see Build.
	Binary string
	// Dir holds all data and logs.
	Dir string
	// Metaservers and Blockservers are how many to run; 0 means 3 of each.
	Metaservers, Blockservers int
	// Machines puts every member on a machine of its own; Start fails where
	// machines.Missing says that this cannot be done.
	Machines bool
	// Proxied puts a proxy before every port, at the address that others are told.
	Proxied bool
	// Disks gives members, by name as in "block-1", a file system of their own of
	// that many bytes, where machines can be made.
	Disks map[string]int64
	// MetaFlags and BlockFlags are further flags of the members of a role.
	MetaFlags, BlockFlags []string
}

// Cluster is a set of member processes.
type Cluster struct {
	// Meta and Block are the members by role.
	Meta, Block []*Member
	// Network is what the members' machines stand on, nil on loopback.
	Network *machines.Network

	binary  string
	cfg     Config
	disks   []*machines.Disk
	proxies []*proxy.Proxy
}

const (
	// StartTimeout bounds the wait for a cluster or a member that starts.
	StartTimeout = 2 * time.Minute
	pollInterval = 20 * time.Millisecond
)

// Build compiles the command into dir and returns its path. With race, it is
// built with the race detector.
func Build(dir string, race bool) (string, error) {
	out := filepath.Join(dir, "ashlar")
	args := []string{"build", "-o", out}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/seed-7d21a5b5/ashlar/cmd/ashlar")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, text)
	}
	return out, nil
}

// Start runs all members and waits until the cluster takes writes.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	c, err := plan(cfg)
	if err != nil {
		return nil, err
	}
	for _, m := range c.Members() {
		if err := m.Start(); err != nil {
			c.Stop()
			return nil, err
		}
	}
	if err := c.WaitReady(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Members returns all members, metaservers first.
func (c *Cluster) Members() []*Member {
	return append(append([]*Member(nil), c.Meta...), c.Block...)
}

// MetaFlags returns the flags that Config gave the metaservers.
func (c *Cluster) MetaFlags() []string { return c.cfg.MetaFlags }

// Endpoints returns the metaservers' client addresses.
func (c *Cluster) Endpoints() []string {
	var out []string
	for _, m := range c.Meta {
		out = append(out, m.Address)
	}
	return out
}

// Client opens the SDK on all metaservers.
func (c *Cluster) Client(ctx context.Context) (*client.Client, error) {
	return client.Open(ctx, client.Config{Endpoints: c.Endpoints()})
}

// Command prepares the ashlar command against this cluster.
func (c *Cluster) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.binary, args...)
	cmd.Env = append(os.Environ(), "ASHLAR_ENDPOINTS="+strings.Join(c.Endpoints(), ","))
	return cmd
}

// WaitReady waits until every running member answers and the leader reaches
// every running blockserver.
func (c *Cluster) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StartTimeout)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = c.ready(ctx); last == nil {
			return nil
		}
		pause(ctx)
	}
	if last == nil {
		last = context.Cause(ctx)
	}
	return fmt.Errorf("the cluster did not come up: %w; %s", last, c.tails())
}

func (c *Cluster) ready(ctx context.Context) error {
	for _, m := range c.Members() {
		if !m.Running() {
			return fmt.Errorf("%s is not running", m.Name)
		}
	}
	sdk, err := c.Client(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = sdk.Close() }()
	status, err := sdk.Status(ctx)
	if err != nil {
		return err
	}
	voters, reachable := 0, 0
	for _, m := range status.GetMembers() {
		if m.GetVoter() {
			voters++
		}
	}
	for _, n := range status.GetNodes() {
		if n.GetReachable() {
			reachable++
		}
	}
	if voters < len(c.Meta) || reachable < len(c.Block) {
		return fmt.Errorf("%d of %d voters, %d of %d blockservers", voters, len(c.Meta), reachable, len(c.Block))
	}
	return nil
}

// Leader returns the metaserver that leads, as the cluster's status names it.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	sdk, err := c.Client(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sdk.Close() }()
	status, err := sdk.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range status.GetMembers() {
		for _, member := range c.Meta {
			if m.GetLeader() && m.GetClientAddress() == member.Address {
				return member, nil
			}
		}
	}
	return nil, fmt.Errorf("no leader among %d members", len(status.GetMembers()))
}

// Stop ends all members, by SIGTERM and, where that does not help, by SIGKILL,
// and takes away what they stood on.
func (c *Cluster) Stop() {
	for _, m := range c.Members() {
		m.terminate()
	}
	for _, m := range c.Members() {
		m.await()
	}
	c.release()
}

func (c *Cluster) tails() string {
	var b strings.Builder
	for _, m := range c.Members() {
		fmt.Fprintf(&b, "\n--- %s ---\n%s", m.Name, m.Tail())
	}
	return b.String()
}

func pause(ctx context.Context) {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Restore starts a cluster whose processes have all ended, with metadata from a
// backup: the first metaserver begins from it, on a new folder, the others join it
// on new ones. Blockservers start on what they have. The generation is above every
// one that this cluster has been in.
func (c *Cluster) Restore(ctx context.Context, backup string, generation int) error {
	for i, m := range c.Meta {
		if i == 0 {
			m.renew("--restore-from", backup, "--restore-generation", strconv.Itoa(generation))
		} else {
			m.renew("--join", c.Meta[0].Admin)
		}
	}
	for _, m := range c.Members() {
		if err := m.Start(); err != nil {
			return err
		}
	}
	return c.WaitReady(ctx)
}
