package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/blockserver"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/metaserver"
	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// DefaultReadyTimeout bounds how long Start waits for all members.
const DefaultReadyTimeout = time.Minute

// Config describes a cluster. Dir is required.
type Config struct {
	// Dir is the folder of all members, made if it is missing.
	Dir string
	// BasePort places the ports: client verbs from BasePort on, Raft from +10,
	// blockservers from +20, admin from +30. 0 takes the folder's own, or free
	// ones for a new folder.
	BasePort int
	// Metaservers and Blockservers count the members, up to 10 each; 0 means 3.
	Metaservers, Blockservers int
	// Logger takes every member's log, with the member's name; nil means none.
	Logger *slog.Logger
	// ReadyTimeout bounds Start; 0 means DefaultReadyTimeout.
	ReadyTimeout time.Duration
	// Replica paces the metaservers' replicas; zero fields take their defaults.
	Replica replica.Config
	// Timing paces the leader's work; zero fields take their defaults.
	Timing dispatch.Timing
	// Grace is how long unreferenced blocks of a new cluster stay; 0 is the
	// default, less is none.
	Grace time.Duration
}

// Cluster is a running cluster. Its methods are safe for concurrent use, but
// members are killed and restarted one at a time.
type Cluster struct {
	cfg  Config
	book book

	mu     sync.Mutex
	meta   []*metaserver.Server
	blocks []*blockserver.Server
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Dir == "" {
		return cfg, protocol.Errorf(protocol.InvalidArgument, "an embedded cluster needs a folder")
	}
	if cfg.Metaservers == 0 {
		cfg.Metaservers = 3
	}
	if cfg.Blockservers == 0 {
		cfg.Blockservers = 3
	}
	if cfg.Metaservers < 1 || cfg.Metaservers > protocol.MaxMetaservers || cfg.Blockservers < 1 || cfg.Blockservers > maxMembers {
		return cfg, protocol.Errorf(protocol.InvalidArgument, "an embedded cluster has 1 to %d metaservers and 1 to %d blockservers", protocol.MaxMetaservers, maxMembers)
	}
	if cfg.BasePort < 0 || cfg.BasePort > 65535-adminPorts-maxMembers {
		return cfg, protocol.Errorf(protocol.InvalidArgument, "a base port is 1 to %d, not %d", 65535-adminPorts-maxMembers, cfg.BasePort)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.ReadyTimeout <= 0 {
		cfg.ReadyTimeout = DefaultReadyTimeout
	}
	return cfg, nil
}

// Start starts a cluster and returns when every member is ready. It resumes what
// the folder holds. With an error nothing is left running.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.ReadyTimeout)
	defer cancel()
	b, ports, err := listen(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, book: b, meta: make([]*metaserver.Server, cfg.Metaservers), blocks: make([]*blockserver.Server, cfg.Blockservers)}
	if err = c.startAll(ctx, ports); err != nil {
		// Closing a listener twice does no harm, and servers that have not started
		// do not close theirs.
		ports.close()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return nil, errors.Join(err, c.Close(closing))
	}
	return c, nil
}

func (c *Cluster) startAll(ctx context.Context, ports *opened) error {
	for i := range c.meta {
		if err := c.startMeta(ctx, i, ports.meta[i]); err != nil {
			return fmt.Errorf("metaserver %d: %w", i+1, err)
		}
	}
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	// One after the other, so that a new cluster numbers them in this order.
	for i := range c.blocks {
		if err := c.startBlock(ctx, i, ports.block[i]); err != nil {
			return fmt.Errorf("blockserver %d: %w", i+1, err)
		}
		if err := c.waitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startMeta(ctx context.Context, i int, ports [3]net.Listener) error {
	redundancy := uint32(min(protocol.DefaultRedundancy, c.cfg.Blockservers))
	cfg := metaserver.Config{
		Dir:            filepath.Join(c.cfg.Dir, fmt.Sprintf("meta-%d", i+1)),
		ClientListener: ports[0], RaftListener: ports[1], AdminListener: ports[2],
		Bootstrap: i == 0, Redundancy: redundancy, Quorum: redundancy/2 + 1,
		Logger: c.cfg.Logger.With("member", fmt.Sprintf("meta-%d", i+1)), Replica: c.cfg.Replica,
		Timing: c.cfg.Timing, Grace: c.cfg.Grace,
	}
	if i > 0 {
		cfg.Join = []string{loopback(c.book.Meta[0].Admin)}
	}
	s, err := metaserver.Start(ctx, cfg)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meta[i] = s
	return nil
}

func (c *Cluster) startBlock(ctx context.Context, i int, port net.Listener) error {
	s, err := blockserver.Start(ctx, blockserver.Config{
		Listener: port, Metaservers: c.Endpoints(), Zone: fmt.Sprintf("zone-%d", i+1),
		Data:   []store.Dir{{Path: c.BlockDir(i)}},
		Logger: c.cfg.Logger.With("member", fmt.Sprintf("block-%d", i+1)),
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks[i] = s
	return nil
}

// waitReady waits for every running member.
func (c *Cluster) waitReady(ctx context.Context) error {
	for i, s := range c.metaservers() {
		if s != nil {
			if err := ready(ctx, s.Ready(), s.Wait); err != nil {
				return fmt.Errorf("metaserver %d: %w", i+1, err)
			}
		}
	}
	for i, s := range c.blockservers() {
		if s != nil {
			if err := ready(ctx, s.Ready(), s.Wait); err != nil {
				return fmt.Errorf("blockserver %d: %w", i+1, err)
			}
		}
	}
	return nil
}

// ready waits for a member to be ready, to fail, or for ctx.
func ready(ctx context.Context, is <-chan struct{}, wait func() error) error {
	failed := make(chan error, 1)
	// It ends with the member, at Close at the latest.
	go func() { failed <- wait() }()
	select {
	case <-is:
		return nil
	case err := <-failed:
		if err == nil {
			err = protocol.Errorf(protocol.Canceled, "it was closed")
		}
		return err
	case <-ctx.Done():
		return protocol.Errorf(protocol.Unavailable, "it is not ready: %w", context.Cause(ctx))
	}
}

// Endpoints returns the metaservers' client addresses, for client.Config.
func (c *Cluster) Endpoints() []string {
	var out []string
	for _, m := range c.book.Meta {
		out = append(out, loopback(m.Client))
	}
	return out
}

// AdminEndpoints returns the metaservers' admin addresses.
func (c *Cluster) AdminEndpoints() []string {
	var out []string
	for _, m := range c.book.Meta {
		out = append(out, loopback(m.Admin))
	}
	return out
}

// BlockEndpoints returns the blockservers' addresses.
func (c *Cluster) BlockEndpoints() []string {
	var out []string
	for _, p := range c.book.Block {
		out = append(out, loopback(p))
	}
	return out
}

// BlockDir returns the data folder of blockserver i, from 0.
func (c *Cluster) BlockDir(i int) string {
	return filepath.Join(c.cfg.Dir, fmt.Sprintf("block-%d", i+1))
}

func (c *Cluster) metaservers() []*metaserver.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*metaserver.Server(nil), c.meta...)
}

func (c *Cluster) blockservers() []*blockserver.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*blockserver.Server(nil), c.blocks...)
}

// Close ends the blockservers, then the metaservers, letting what is under way
// finish until ctx ends. The folder can be started again.
func (c *Cluster) Close(ctx context.Context) error {
	c.mu.Lock()
	blocks, meta := c.blocks, c.meta
	c.blocks, c.meta = make([]*blockserver.Server, len(blocks)), make([]*metaserver.Server, len(meta))
	c.mu.Unlock()
	var all ends
	for i, s := range blocks {
		if s != nil {
			all.run(func() error { return named("blockserver", i, s.Close(ctx)) })
		}
	}
	err := all.wait()
	for i, s := range meta {
		if s != nil {
			all.run(func() error { return named("metaserver", i, s.Close(ctx)) })
		}
	}
	return errors.Join(err, all.wait())
}

func named(role string, i int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %d: %w", role, i+1, err)
}

// ends gathers the errors of things that run beside each other.
type ends struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (e *ends) run(fn func() error) {
	e.wg.Go(func() {
		err := fn()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.errs = append(e.errs, err)
	})
}

func (e *ends) wait() error {
	e.wg.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	err := errors.Join(e.errs...)
	e.errs = nil
	return err
}
