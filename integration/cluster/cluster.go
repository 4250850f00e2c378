// Package cluster runs a real cluster for tests: one operating-system process a
// member, of the one binary, on loopback, with its data and logs below one
// folder. Members can be killed as a power cut would, stopped, frozen and
// started again on the same folder and ports.
//
// Invariants: a process is only ever signalled by the id that this package got
// when it started it; every wait ends, either in the state waited for or in an
// error that names the member and the end of its log.
package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
)

// Config says what to run.
type Config struct {
	// Binary is the ashlar command, see Build.
	Binary string
	// Dir holds all data and logs.
	Dir string
	// Metaservers and Blockservers are how many to run; 0 means 3 of each.
	Metaservers, Blockservers int
}

// Cluster is a set of member processes.
type Cluster struct {
	// Meta and Block are the members by role.
	Meta, Block []*Member
	binary, dir string
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

// plan chooses the ports and command lines of all members.
func plan(cfg Config) (*Cluster, error) {
	metas, blocks := cfg.Metaservers, cfg.Blockservers
	if metas == 0 {
		metas = 3
	}
	if blocks == 0 {
		blocks = 3
	}
	ports, err := freeAddresses(3*metas + blocks)
	if err != nil {
		return nil, err
	}
	c := &Cluster{binary: cfg.Binary, dir: cfg.Dir}
	clients := ports[:metas]
	for i := range metas {
		admin := ports[2*metas+i]
		args := []string{
			"metaserver", "--dir", filepath.Join(cfg.Dir, fmt.Sprintf("meta-%d", i+1)),
			"--client-listen", clients[i], "--raft-listen", ports[metas+i], "--admin-listen", admin,
		}
		if i == 0 {
			args = append(args, "--bootstrap")
		} else {
			args = append(args, "--join", ports[2*metas])
		}
		c.Meta = append(c.Meta, &Member{Name: fmt.Sprintf("meta-%d", i+1), Address: clients[i], Admin: admin, binary: cfg.Binary, dir: cfg.Dir, args: args})
	}
	for i := range blocks {
		c.planBlock(ports[3*metas+i])
	}
	return c, nil
}

// planBlock appends one more blockserver, in a zone of its own.
func (c *Cluster) planBlock(address string) *Member {
	number := len(c.Block) + 1
	name := fmt.Sprintf("block-%d", number)
	data := filepath.Join(c.dir, name)
	args := []string{
		"blockserver", "--data", data, "--listen", address,
		"--metaservers", strings.Join(c.Endpoints(), ","), "--zone", fmt.Sprintf("zone-%d", number),
	}
	m := &Member{Name: name, Address: address, Data: data, binary: c.binary, dir: c.dir, args: args}
	c.Block = append(c.Block, m)
	return m
}

// AddBlockserver starts one more blockserver. Stop ends it with the others.
func (c *Cluster) AddBlockserver() (*Member, error) {
	ports, err := freeAddresses(1)
	if err != nil {
		return nil, err
	}
	m := c.planBlock(ports[0])
	return m, m.Start()
}

// freeAddresses finds loopback addresses that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// Members returns all members, metaservers first.
func (c *Cluster) Members() []*Member {
	return append(append([]*Member(nil), c.Meta...), c.Block...)
}

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

// Stop ends all members, by SIGTERM and, where that does not help, by SIGKILL.
func (c *Cluster) Stop() {
	for _, m := range c.Members() {
		m.terminate()
	}
	for _, m := range c.Members() {
		m.await()
	}
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
