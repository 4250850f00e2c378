package client

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/seed-7d21a5b5/ashlar/client/internal/blocks"
	"github.com/seed-7d21a5b5/ashlar/client/internal/cut"
	"github.com/seed-7d21a5b5/ashlar/client/internal/meta"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Limits and defaults of a client.
const (
	// DefaultMemoryBudget bounds the bytes of blocks in flight, for puts and for
	// read-ahead each. Every open Reader may hold two blocks besides.
	DefaultMemoryBudget = 32 << 20
	// MaxBlocksInFlight bounds the blocks of all puts of a client that are on
	// their way at once, however small they are.
	MaxBlocksInFlight = 64
	// DefaultReadAhead is how many blocks a Reader fetches ahead of its caller.
	DefaultReadAhead = 6
	// MinBlockSize is the least block size that a put may ask for.
	MinBlockSize = 1 << 10
	// MaxRefusedRounds bounds how often one commit mends refused blocks.
	MaxRefusedRounds = 5
	// DefaultCloseTimeout bounds how long Close waits for stragglers.
	DefaultCloseTimeout = 5 * time.Second
)

// Config describes a Client. Endpoints is required; zero fields take defaults.
type Config struct {
	// Endpoints are host:port addresses of metaservers' client ports. One is
	// enough to begin with, the others are learned from it.
	Endpoints []string
	// Cluster pins the cluster; zero pins the one that answers first.
	Cluster protocol.ID
	// BlockSize is how puts are cut, in bytes; 0 means
	// protocol.DefaultBlockSize.
	BlockSize int
	// MemoryBudget bounds the bytes of blocks in flight, for all puts and for the
	// read-ahead of all Readers; 0 means DefaultMemoryBudget. One block is always
	// let through, and every open Reader may hold two besides.
	MemoryBudget int64
	// ReadAhead is how many blocks a Reader fetches ahead; 0 means
	// DefaultReadAhead, below 0 none.
	ReadAhead int
	// MaxSessions bounds the sessions of this client; 0 means 4.
	MaxSessions int
	// AttemptTimeout bounds one request to a metaserver, ExchangeTimeout one to a
	// blockserver; 0 means 5 s and 10 s.
	AttemptTimeout, ExchangeTimeout time.Duration
	// CloseTimeout bounds how long Close waits for what is still on its way; 0
	// means DefaultCloseTimeout.
	CloseTimeout time.Duration
	// Zone is where this client stands, as blockservers name theirs; it reads
	// copies in its zone before others. Empty means nowhere.
	Zone string
	// Logger takes what callers are not told, at Debug and Warn; nil means none.
	Logger *slog.Logger
}

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	cfg     Config
	rpc     *rpc.Client
	meta    *meta.Group
	fleet   *blocks.Fleet
	codec   *blocks.Codec
	buffers *blocks.Buffers
	stats   counters

	// putBudget is waited for; getBudget is only tried for, by read-ahead, so
	// that a reader whose caller has stopped never holds up another.
	putBudget *cut.Budget
	getBudget *semaphore.Weighted

	// keepAlive paces the use of sessions with an open upload.
	keepAlive time.Duration

	life context.Context
	end  context.CancelFunc

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// Open finds a server among cfg.Endpoints, pins its cluster and learns the other
// metaservers. Sessions are opened when they are first needed.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	codec, err := blocks.NewCodec()
	if err != nil {
		return nil, err
	}
	transport := rpc.NewClient(rpc.ClientConfig{Cluster: cfg.Cluster, Timeout: 2 * blocks.DefaultExchangeTimeout, MaxConnsPerHost: rpc.DefaultMaxConnsPerHost, MaxAnswer: protocol.MaxStoredSize + protocol.MaxMetaAnswer})
	group, err := meta.NewGroup(meta.Config{Caller: transport, Endpoints: cfg.Endpoints, MaxSessions: cfg.MaxSessions, AttemptTimeout: cfg.AttemptTimeout, Logger: cfg.Logger})
	if err != nil {
		transport.Close()
		return nil, err
	}
	c := &Client{
		cfg: cfg, keepAlive: keepAlive, rpc: transport, meta: group, codec: codec, buffers: &blocks.Buffers{},
		putBudget: cut.NewBudget(cfg.MemoryBudget, MaxBlocksInFlight), getBudget: semaphore.NewWeighted(cfg.MemoryBudget),
	}
	c.life, c.end = context.WithCancel(context.Background())
	status, err := meta.Find[pb.ClusterStatus](ctx, group, protocol.PathClusterStatus, &pb.ClusterStatusRequest{Level: Stale.wire()})
	if err != nil {
		c.end()
		transport.Close()
		return nil, err
	}
	c.learn(status)
	c.fleet = blocks.NewFleet(blocks.Config{Doer: transport, Meta: group, Codec: codec, Buffers: c.buffers, StragglerBytes: cfg.MemoryBudget / 2, ExchangeTimeout: cfg.ExchangeTimeout, Zone: cfg.Zone, Logger: cfg.Logger})
	return c, nil
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.BlockSize == 0 {
		cfg.BlockSize = protocol.DefaultBlockSize
	}
	if err := checkBlockSize(cfg.BlockSize); err != nil {
		return cfg, err
	}
	if cfg.MemoryBudget <= 0 {
		cfg.MemoryBudget = DefaultMemoryBudget
	}
	if cfg.ReadAhead == 0 {
		cfg.ReadAhead = DefaultReadAhead
	}
	if cfg.CloseTimeout <= 0 {
		cfg.CloseTimeout = DefaultCloseTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg, nil
}

func checkBlockSize(n int) error {
	if n < MinBlockSize || n > protocol.MaxBlockSize {
		return protocol.Errorf(protocol.InvalidArgument, "a block size is %d to %d bytes, not %d", MinBlockSize, protocol.MaxBlockSize, n)
	}
	return nil
}

func (c *Client) learn(s *pb.ClusterStatus) {
	var addresses []string
	for _, m := range s.GetMembers() {
		addresses = append(addresses, m.GetClientAddress())
	}
	c.meta.Learn(addresses)
}

// Cluster returns the id of the cluster that this client is pinned to.
func (c *Client) Cluster() protocol.ID { return c.rpc.Cluster() }

// Seen returns the highest version in any answer so far.
func (c *Client) Seen() Version { return c.meta.Seen() }

// Stats returns what the client has moved since Open.
func (c *Client) Stats() Stats { return c.stats.snapshot() }

// begin admits one call and returns a context that also ends with the client.
func (c *Client) begin(ctx context.Context) (context.Context, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, protocol.Errorf(protocol.Canceled, "the client is closed")
	}
	c.calls.Add(1)
	call, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(c.life, func() {
		cancel(protocol.Errorf(protocol.Canceled, "the client was closed"))
	})
	return call, func() {
		unlink()
		cancel(nil)
		c.calls.Done()
	}, nil
}

// Close ends the calls that are under way, lets blocks and claims on their way
// to further copies arrive for up to Config.CloseTimeout, closes the sessions
// and every connection. Calls after it are ErrCanceled; a second Close does
// nothing.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.calls.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.CloseTimeout)
	defer cancel()
	c.fleet.Close(ctx)
	err := c.meta.Close(ctx)
	c.rpc.Close()
	return err
}

// Status returns what the cluster says of itself, as the wire carries it:
// members, nodes, versions and counters. The default level is Linearizable, so
// it needs a leader; Stale does not.
func (c *Client) Status(ctx context.Context, opts ...Option) (*pb.ClusterStatus, error) {
	o, err := collect(verbBlock, opts)
	if err != nil {
		return nil, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	s, err := c.status(ctx, o.level)
	if err == nil {
		c.learn(s)
	}
	return s, err
}

func (c *Client) status(ctx context.Context, l Level) (*pb.ClusterStatus, error) {
	var ans pb.ClusterStatus
	return &ans, c.meta.Read(ctx, protocol.PathClusterStatus, &pb.ClusterStatusRequest{Level: l.wire()}, &ans)
}

// Ask puts one question of the operator's verbs (protocol.PathExplain and
// PathWork...) to the leader and decodes its answer into ans, which must be
// empty. It may be sent several times: all of these verbs can be repeated.
func (c *Client) Ask(ctx context.Context, path string, req, ans rpc.Message) error {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	return c.meta.Read(ctx, path, req, ans)
}
