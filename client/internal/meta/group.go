package meta

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Limits of a group.
const (
	// DefaultPatience bounds how long one request is asked again, unless its context
	// ends before; it outlasts several elections. Pauses (backoff) and MaxHops bound
	// the attempts within.
	DefaultPatience = 30 * time.Second
	// MaxHops bounds not-leader answers followed in a row without a pause.
	MaxHops = 3
	// MaxEndpoints bounds the addresses remembered, learned ones included.
	MaxEndpoints = 4 * protocol.MaxMetaservers
	// DefaultMaxSessions bounds the sessions of one client.
	DefaultMaxSessions = 4
	// DefaultAttemptTimeout bounds one attempt, so that a stopped server costs
	// one pause and not the whole deadline.
	DefaultAttemptTimeout = 5 * time.Second

	// firstTimeout bounds a request's first attempt, because the server that was
	// last seen to lead may be the one that hangs.
	firstTimeout = 2 * time.Second

	minBackoff = 10 * time.Millisecond
	maxBackoff = time.Second
)

// Caller sends one request and decodes one answer; *rpc.Client is one. Its
// errors are *protocol.Error: Unavailable says that the request was certainly
// not executed, UnknownOutcome and Canceled that it may have been.
type Caller interface {
	Call(ctx context.Context, addr, path string, req, ans rpc.Message) error
}

// Config describes a Group. Caller and Endpoints are required.
type Config struct {
	Caller Caller
	// Endpoints are host:port addresses of metaservers' client ports.
	Endpoints []string
	// MaxSessions bounds the sessions; 0 means DefaultMaxSessions.
	MaxSessions int
	// AttemptTimeout bounds one attempt; 0 means DefaultAttemptTimeout.
	AttemptTimeout time.Duration
	// Patience bounds how long one request is asked again; 0 means DefaultPatience.
	Patience time.Duration
	Logger   *slog.Logger
	// Pause waits for d or the end of ctx, whichever comes first; nil means a
	// timer. Tests hand in one that does not wait.
	Pause func(ctx context.Context, d time.Duration)
	// Quiet waits for the moment after which a client without uploads counts as
	// idle, or the end of ctx; nil means a timer.
	Quiet func(ctx context.Context)
	// DrawID draws the id of a session; nil means at random.
	DrawID func() protocol.ID
}

// Group is the metaservers as one client sees them. It is safe for concurrent
// use.
type Group struct {
	cfg      Config
	sessions *pool

	mu        sync.Mutex
	endpoints []string
	preferred string
	// silent are the endpoints that let an attempt time out and have not answered
	// since (walk.go).
	silent map[string]struct{}
	seen   protocol.Version
	// uploads counts those under way by the version that they began at.
	uploads map[protocol.Version]int
	// ends counts the requests under way that are the end of one of them.
	ends int
	// begun counts all uploads; settling says that settle runs.
	begun    uint64
	settling bool
	// unheard is the id of a session that may be open and that nobody uses.
	unheard []byte

	// life ends with Close, settlers before Close returns.
	life     context.Context
	end      context.CancelFunc
	settlers sync.WaitGroup
}

// NewGroup returns a group that has not spoken to anybody yet.
func NewGroup(cfg Config) (*Group, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, protocol.Errorf(protocol.InvalidArgument, "no endpoints; name at least one metaserver's client address, such as 127.0.0.1:7400")
	}
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = DefaultMaxSessions
	}
	if cfg.AttemptTimeout <= 0 {
		cfg.AttemptTimeout = DefaultAttemptTimeout
	}
	if cfg.Patience <= 0 {
		cfg.Patience = DefaultPatience
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	if cfg.Quiet == nil {
		cfg.Quiet = quiet
	}
	if cfg.DrawID == nil {
		cfg.DrawID = drawID
	}
	g := &Group{cfg: cfg}
	g.life, g.end = context.WithCancel(context.Background())
	g.sessions = newPool(cfg.MaxSessions, g.openSession)
	g.Learn(cfg.Endpoints)
	if len(g.endpoints) == 0 {
		return nil, protocol.Errorf(protocol.InvalidArgument, "every endpoint is empty")
	}
	g.preferred = g.endpoints[0]
	return g, nil
}

// Learn adds addresses, up to MaxEndpoints; known and empty ones are skipped.
func (g *Group) Learn(addresses []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range addresses {
		if a != "" && len(a) <= protocol.MaxAddressLength && len(g.endpoints) < MaxEndpoints && !slices.Contains(g.endpoints, a) {
			g.endpoints = append(g.endpoints, a)
		}
	}
}

// Endpoints returns the addresses known now.
func (g *Group) Endpoints() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.endpoints)
}

// Seen returns the highest version in any answer so far.
func (g *Group) Seen() protocol.Version {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen
}

// Saw remembers v if it is higher than all before.
func (g *Group) Saw(v protocol.Version) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = g.seen.Max(v)
}

// Read asks something that may be asked any number of times. The error has the
// kind that a server answered, or Unavailable when nobody did, or Canceled.
func (g *Group) Read(ctx context.Context, path string, req, ans rpc.Message) error {
	err, _ := g.ask(ctx, path, req, ans)
	if protocol.KindOf(err) == protocol.UnknownOutcome {
		return protocol.Errorf(protocol.Unavailable, "%s: no answer: %w", path, err)
	}
	return err
}

// ask sends req until it is answered. unknown tells, with an error, that some
// attempt may have been executed or may still be.
func (g *Group) ask(ctx context.Context, path string, req, ans rpc.Message) (err error, unknown bool) {
	w := g.newWalk()
	p := g.newPatience()
	var last error
	foreign := 0
	for ; ; p.attempts++ {
		switch {
		case ctx.Err() != nil:
			return gaveUp(ctx, path, last, unknown), unknown
		case p.ended():
			return p.exhausted(path, last, unknown), unknown
		case p.attempts > 0:
			// An answer that could not be read may have left something behind.
			proto.Reset(ans)
		}
		err := g.attempt(ctx, w.timeout(p.attempts), w.addr, path, req, ans)
		if err == nil {
			g.answered(w.addr, ans)
			return nil, false
		}
		if protocol.KindOf(err) == protocol.WrongCluster {
			// The address may have gone to another cluster's server; that says nothing
			// about the others, unless all of them say so.
			if foreign++; foreign == len(g.Endpoints()) {
				return err, unknown
			}
			last = telling(last, err)
			w.skip()
			continue
		}
		foreign = 0
		if !again(err) {
			g.prefer(w.addr)
			return err, unknown
		}
		unknown = unknown || maybeRan(err)
		last = telling(last, err)
		if !w.follow(err) {
			p.pause(ctx)
		}
	}
}

// telling returns the one of two errors in a row that tells people more: that no
// leader is known says more than that another server could not be reached, and
// either says more than that the time was up.
func telling(before, now error) error {
	b, n := protocol.AsError(before), protocol.AsError(now)
	switch {
	case before == nil:
	case n.Kind == protocol.Canceled, n.Kind == protocol.Unavailable && b.Kind == protocol.NotLeader && b.Leader == "":
		return before
	}
	return now
}

// attempt asks addr once. Whether it lets the time run out is remembered.
func (g *Group) attempt(ctx context.Context, timeout time.Duration, addr, path string, req, ans rpc.Message) error {
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := g.cfg.Caller.Call(attempt, addr, path, req, ans)
	if err != nil {
		g.cfg.Logger.Debug("metaserver call failed", "addr", addr, "path", path, "err", err)
	}
	switch kind := protocol.KindOf(err); {
	case err == nil || kind != protocol.Unavailable && !maybeRan(err):
		g.spoke(addr)
	case errors.Is(attempt.Err(), context.DeadlineExceeded):
		g.fellSilent(addr)
	}
	return err
}

// again tells whether an attempt that ended in err may be followed by another.
func again(err error) bool {
	switch protocol.KindOf(err) {
	case protocol.NotLeader, protocol.Unavailable, protocol.Busy, protocol.UnknownOutcome, protocol.Canceled:
		return true
	}
	return false
}

// maybeRan tells whether an attempt that ended in err may have taken effect.
func maybeRan(err error) bool {
	k := protocol.KindOf(err)
	return k == protocol.UnknownOutcome || k == protocol.Canceled
}

func gaveUp(ctx context.Context, path string, last error, unknown bool) error {
	kind := protocol.Canceled
	if unknown {
		kind = protocol.UnknownOutcome
	}
	if last == nil {
		return protocol.Errorf(kind, "%s: %w", path, context.Cause(ctx))
	}
	return protocol.Errorf(kind, "%s: %w (last answer: %v)", path, context.Cause(ctx), last)
}

func (g *Group) answered(addr string, ans rpc.Message) {
	if v, ok := ans.(interface{ GetVersion() *pb.Version }); ok && v.GetVersion() != nil {
		g.Saw(protocol.Version{Generation: v.GetVersion().GetGeneration(), Counter: v.GetVersion().GetCounter()})
	}
	g.prefer(addr)
}

// prefer returns the address to ask first, after making addr that address
// unless it is empty.
func (g *Group) prefer(addr string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if addr != "" {
		g.preferred = addr
	}
	return g.preferred
}

// backoff draws the pause after attempt n: exponential up to maxBackoff, with
// half of it random so that clients do not come back in step.
func backoff(n int) time.Duration {
	d := maxBackoff
	if n < 7 {
		d = min(minBackoff<<n, maxBackoff)
	}
	return d/2 + rand.N(d/2)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
