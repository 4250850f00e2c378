package blocks

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/client/internal/meta"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Limits of a fleet.
const (
	// DefaultExchangeTimeout bounds one exchange with a blockserver, beside
	// which each MiB of the block gets a second.
	DefaultExchangeTimeout = 10 * time.Second
	// maxRounds bounds how often all candidates are gone through, with a pause
	// between two rounds.
	maxRounds = 8
	// maxAnswer bounds what is read of an answer beside a block's own bytes.
	maxAnswer = 64 << 10
)

// Doer exchanges bytes with one server; *rpc.Client is one. Its errors are
// *protocol.Error, non-2xx answers included.
type Doer interface {
	Do(ctx context.Context, addr, path string, req *fasthttp.Request, resp *fasthttp.Response) error
}

// Config describes a Fleet. Doer, Meta, Codec and Buffers are required.
type Config struct {
	Doer    Doer
	Meta    *meta.Group
	Codec   *Codec
	Buffers *Buffers
	// StragglerBytes bounds the stored bytes that wait for nodes beyond the
	// quorum.
	StragglerBytes int64
	// ExchangeTimeout bounds one exchange; 0 means DefaultExchangeTimeout.
	ExchangeTimeout time.Duration
	// Zone is where the client stands; copies there are read first. Empty: nowhere.
	Zone   string
	Logger *slog.Logger
}

// Fleet is the blockservers as one client sees them. It is safe for concurrent
// use.
type Fleet struct {
	cfg     Config
	meta    *meta.Group
	layouts layouts
	roster  *roster
	local   map[string]bool
	pace    pace
	asks    asks
	needs   needs
	tell    *teller

	// ctx ends when the fleet closes for good; work counts what runs behind the
	// callers' backs.
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	stragglers stragglers
}

// NewFleet returns a fleet whose layout is asked for at its first use.
func NewFleet(cfg Config) *Fleet {
	if cfg.ExchangeTimeout <= 0 {
		cfg.ExchangeTimeout = DefaultExchangeTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Fleet{cfg: cfg, meta: cfg.Meta, roster: newRoster(), local: localHosts()}
	f.ctx, f.stop = context.WithCancel(context.Background())
	f.layouts.asking = make(chan struct{}, 1)
	f.stragglers.limit = cfg.StragglerBytes
	f.tell = newTeller(f.meta, cfg.Logger)
	f.work.Go(func() { f.tell.run(f.ctx) })
	return f
}

// Close lets stragglers finish and late claims be told as long as ctx allows,
// then ends whatever is left. No call may be under way or begin.
func (f *Fleet) Close(ctx context.Context) {
	f.stragglers.wait(ctx)
	f.tell.drain(ctx)
	f.stop()
	f.work.Wait()
}

// exchange does one request with one node and keeps the node's health.
func (f *Fleet) exchange(ctx context.Context, l *layout, n protocol.NodeID, path string, size int, req *fasthttp.Request, resp *fasthttp.Response) error {
	node, ok := l.nodes[n]
	if !ok {
		return protocol.Errorf(protocol.Unavailable, "node %d is not in the layout", n)
	}
	timeout := f.cfg.ExchangeTimeout + time.Duration(size>>20)*time.Second
	timed, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	f.roster.begin(n)
	begun := time.Now()
	err := f.cfg.Doer.Do(timed, node.GetAddress(), path, req, resp)
	if err != nil && ctx.Err() == nil && timed.Err() != nil {
		err = protocol.Errorf(protocol.Unavailable, "node %d did not answer within %v: %w", n, timeout, err)
	}
	f.roster.end(n, time.Since(begun), err)
	return err
}

// stragglers counts the bytes that are still sent to nodes beyond the quorum.
type stragglers struct {
	mu     sync.Mutex
	limit  int64
	held   int64
	count  int
	idle   chan struct{}
	closed bool
}

// add admits n bytes unless they would exceed the limit.
func (s *stragglers) add(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || (s.held > 0 && s.held+n > s.limit) {
		return false
	}
	s.held += n
	s.count++
	return true
}

func (s *stragglers) remove(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= n
	s.count--
	if s.count == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// wait admits no more and returns when none is left or ctx has ended.
func (s *stragglers) wait(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	if s.count == 0 {
		s.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	s.idle = idle
	s.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
