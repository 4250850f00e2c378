package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch/health"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Defaults of Timing.
const (
	// DefaultSessionIdle is how long a session may stay unused.
	DefaultSessionIdle = 10 * time.Minute
	// DefaultSessionRounds is in how many rounds an idle session is looked at.
	DefaultSessionRounds = 10
	// DefaultPingEvery and DefaultPingTimeout pace the pings of blockservers.
	DefaultPingEvery   = 2 * time.Second
	DefaultPingTimeout = time.Second
	// DefaultUnreferenceTick is the slow tick of the unreference loop.
	DefaultUnreferenceTick = 5 * time.Second
	// DefaultTrashTick is how often the trash is looked at for what is due.
	DefaultTrashTick = 5 * time.Second
	// DefaultDigestTick is how often the digest loop looks at the version.
	DefaultDigestTick = 5 * time.Second
	// DefaultDigestEvery is how many versions lie between two digest marks.
	DefaultDigestEvery = 1000
	// DefaultAgreeWithin is how long the others are asked for their digests.
	DefaultAgreeWithin = 10 * time.Second
	// DefaultRoundTick is how often orders are planned when nothing happens.
	DefaultRoundTick = time.Second
	// DefaultOrderSlice is how long a node may begin orders of one batch, and
	// DefaultOrderTimeout how long its answer is waited for.
	DefaultOrderSlice   = 2 * time.Second
	DefaultOrderTimeout = 25 * time.Second
	// DefaultEffectWait is how long an answered order may take to show in the state
	// before it is given again.
	DefaultEffectWait = 2 * time.Second
	// DefaultWriterWait is how long a writer that has its quorum is left to finish.
	DefaultWriterWait = 3 * time.Second
	// DefaultRest is the first rest of a node that failed; it doubles up to
	// DefaultMaxRest.
	DefaultRest    = time.Second
	DefaultMaxRest = 30 * time.Second
	// DefaultWalkPause lies between two pages of an inventory, DefaultWalkRest
	// between two inventories of a node that is not suspect.
	DefaultWalkPause = time.Second
	DefaultWalkRest  = time.Minute
)

// Log is what the loops need of a replica; safe for concurrent use.
type Log interface {
	Propose(ctx context.Context, cmd *record.Command) (*record.Result, error)
	View(ctx context.Context, level pb.Level, min protocol.Version) (state.View, error)
}

// Nodes is what the loops need of blockservers; safe for concurrent use.
type Nodes interface {
	// Orders pushes one batch to the node at addr and returns its answers.
	Orders(ctx context.Context, addr string, batch *pb.OrdersRequest) (*pb.OrdersAnswer, error)
	// Inventory reads the page of what the node at addr holds above after.
	Inventory(ctx context.Context, addr string, after protocol.Hash) (*pb.InventoryPage, error)
}

// Timing paces the loops; zero values take the defaults. No decision about data
// depends on any of them.
type Timing struct {
	SessionIdle     time.Duration
	SessionRounds   int
	PingEvery       time.Duration
	PingTimeout     time.Duration
	UnreferenceTick time.Duration
	TrashTick       time.Duration
	DigestTick      time.Duration
	// DigestEvery is in versions.
	DigestEvery uint64
	AgreeWithin time.Duration
	RoundTick   time.Duration
	OrderSlice  time.Duration
	// OrderTimeout bounds one batch, Rest and MaxRest what a node that failed is
	// left alone for.
	OrderTimeout        time.Duration
	EffectWait          time.Duration
	WriterWait          time.Duration
	Rest, MaxRest       time.Duration
	WalkPause, WalkRest time.Duration
}

func (t Timing) withDefaults() Timing {
	orDefault(&t.SessionIdle, DefaultSessionIdle)
	orDefault(&t.SessionRounds, DefaultSessionRounds)
	orDefault(&t.PingEvery, DefaultPingEvery)
	orDefault(&t.PingTimeout, DefaultPingTimeout)
	orDefault(&t.UnreferenceTick, DefaultUnreferenceTick)
	orDefault(&t.TrashTick, DefaultTrashTick)
	orDefault(&t.DigestTick, DefaultDigestTick)
	orDefault(&t.DigestEvery, DefaultDigestEvery)
	orDefault(&t.AgreeWithin, DefaultAgreeWithin)
	orDefault(&t.RoundTick, DefaultRoundTick)
	orDefault(&t.OrderSlice, DefaultOrderSlice)
	orDefault(&t.OrderTimeout, DefaultOrderTimeout)
	orDefault(&t.EffectWait, DefaultEffectWait)
	orDefault(&t.WriterWait, DefaultWriterWait)
	orDefault(&t.Rest, DefaultRest)
	orDefault(&t.MaxRest, DefaultMaxRest)
	orDefault(&t.WalkPause, DefaultWalkPause)
	orDefault(&t.WalkRest, DefaultWalkRest)
	return t
}

func orDefault[T time.Duration | int | uint64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Config wires a Dispatcher. Log, Ping and Registry are required.
type Config struct {
	Log Log
	// Ping asks the blockserver at addr how it is; an error means that it does not
	// serve.
	Ping func(ctx context.Context, addr string) (*pb.BlockserverStatus, error)
	// Agreed tells what a majority of metaservers had at a mark, where this one had
	// own; Corrupt: some had another state, and there is no majority. nil: own.
	Agreed func(ctx context.Context, own *record.DigestResult) (*record.DigestResult, error)
	// Diverged ends this metaserver; it goes with Agreed.
	Diverged func(why error)
	// Nodes carries orders and inventories; nil: none are sent or taken.
	Nodes    Nodes
	Registry prometheus.Registerer
	Logger   *slog.Logger
	// Now is the wall clock, for people and for when to try to empty the trash; nil:
	// the machine's.
	Now    func() time.Time
	Timing Timing
}

// Dispatcher runs the leader's loops while Run runs.
type Dispatcher struct {
	cfg     Config
	metrics *metrics
	// wake rouses the unreference loop, bulk that of deletes of prefixes, nudge the
	// rounds.
	wake, bulk, nudge chan struct{}
	// stopped: the metadata was found rolled back, and that was logged.
	stopped atomic.Bool
	// leading is the memory of the present leadership, nil without one.
	leading atomic.Pointer[leading]
}

// leading is everything that one leadership learns.
type leading struct {
	*Dispatcher
	term  uint64
	sight sight
	fleet fleet
	// health proposes the states of nodes and measures jobs.
	health *health.Loop
}

// New returns a Dispatcher that is not leading.
func New(cfg Config) *Dispatcher {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Timing = cfg.Timing.withDefaults()
	return &Dispatcher{cfg: cfg, metrics: newMetrics(cfg.Registry), wake: make(chan struct{}, 1), bulk: make(chan struct{}, 1), nudge: make(chan struct{}, 1)}
}

// Run does the leader's work of one term until ctx ends, then forgets all it
// learnt. Call it for one leadership at a time, once the term's own entry is
// applied: from then on the state holds all that earlier leaders achieved.
func (d *Dispatcher) Run(ctx context.Context, term uint64) {
	l := &leading{Dispatcher: d, term: term}
	l.health = health.New(health.Config{
		Look: d.plan, Propose: d.propose, See: l.seen, Changed: d.Nudge, Every: d.cfg.Timing.PingEvery, Logger: d.cfg.Logger,
	})
	d.leading.Store(l)
	defer d.forget()
	var loops sync.WaitGroup
	work := []func(context.Context){l.unreference, l.trash, l.deletePrefixes, l.pings, l.sessions, l.digests, l.health.Run}
	if d.cfg.Nodes != nil {
		work = append(work, l.rounds, l.walks)
	}
	for _, loop := range work {
		loops.Go(func() { loop(ctx) })
	}
	loops.Wait()
}

// forget drops all that this leadership has learnt.
func (d *Dispatcher) forget() {
	d.leading.Store(nil)
	d.metrics.unreachable.Set(0)
}

// Wake tells that an object or upload may have ended, or a delete of a prefix
// begun. It never blocks.
func (d *Dispatcher) Wake() {
	rouse(d.wake)
	rouse(d.bulk)
	d.Nudge()
}

// Nudge has the next round begin at once. It never blocks.
func (d *Dispatcher) Nudge() { rouse(d.nudge) }

func rouse(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Observed tells what this leader's pings have shown of the node. While this
// server does not lead, it knows nothing and takes the node for reachable.
func (d *Dispatcher) Observed(node protocol.NodeID) Sighting {
	if l := d.leading.Load(); l != nil {
		return l.sight.at(node)
	}
	return Sighting{Reachable: true}
}

// propose stamps cmd for people and proposes it; a result with a kind is an error.
func (d *Dispatcher) propose(ctx context.Context, cmd *record.Command) (*record.Result, error) {
	cmd.NowUnixMs = d.cfg.Now().UnixMilli()
	cmd.Request = state.Leader
	res, err := d.cfg.Log.Propose(ctx, cmd)
	if err != nil {
		return nil, err
	}
	if res.GetKind() != 0 {
		return res, &protocol.Error{Kind: protocol.Kind(res.GetKind()), Detail: res.GetDetail()}
	}
	return res, nil
}

// look runs fn over this leader's applied state, which holds everything that any
// entry before its term did.
func (d *Dispatcher) look(ctx context.Context, fn func(state.Reader) error) error {
	v, err := d.cfg.Log.View(ctx, pb.Level_LEVEL_STALE, protocol.Version{})
	if err != nil {
		return err
	}
	err = fn(v)
	if cerr := v.Close(); err == nil {
		err = cerr
	}
	return err
}

// plan runs fn as look does, unless the metadata was rolled back: it refuses all
// that this leader would propose until a generation is started, so nothing is
// planned, sent or proposed until then.
func (d *Dispatcher) plan(ctx context.Context, fn func(state.Reader) error) error {
	return d.look(ctx, func(r state.Reader) error {
		cluster, err := state.ClusterRow(r)
		if err != nil {
			return err
		}
		stopped := cluster.GetMet() != nil
		if was := d.stopped.Swap(stopped); stopped && !was {
			d.cfg.Logger.Warn("leader's work: the metadata was rolled back, and nothing is done until a generation is started")
		}
		if stopped {
			return nil
		}
		return fn(r)
	})
}

// steps takes one step of bulk work after another, each of which tells whether the
// next is worth trying at once, and rests after each as the settings' pace says;
// else it waits for a wake-up or a tick. It returns when ctx has ended.
func (l *leading) steps(ctx context.Context, what string, wake <-chan struct{}, tick time.Duration, step func() (more bool, pace int, err error)) {
	for ctx.Err() == nil {
		begun := time.Now()
		more, pace, err := step()
		l.complain(ctx, what, err)
		if more && err == nil {
			_ = l.rest(ctx, time.Since(begun), pace)
			continue
		}
		pause(ctx, wake, tick)
	}
}

// complain logs a failed step, unless it failed because leadership ended.
func (d *Dispatcher) complain(ctx context.Context, what string, err error) {
	if err == nil || ctx.Err() != nil || protocol.KindOf(err) == protocol.NotLeader {
		return
	}
	d.cfg.Logger.Warn("leader's work: will try again", "step", what, "error", err)
}

// pause waits for a tick or a wake-up; false once ctx has ended.
func pause(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-t.C:
	}
	return ctx.Err() == nil
}
