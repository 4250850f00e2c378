package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/bundle"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/logstore"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/snapshots"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Replica is one member of the Raft group. It is safe for concurrent use.
type Replica struct {
	cfg     Config
	id      string
	cluster atomic.Pointer[protocol.ID]

	logs      *logstore.Store
	snapshots *snapshots.Store
	folder    *folder
	states    *states
	progress  *progress
	committed committed
	layer     *link.Layer
	port      atomic.Pointer[link.Layer] // layer, for whoever may come before it is there
	engine    engine
	batcher   *batcher
	lead      *leadership
	rounds    *rounds
	reads     atomic.Int64
	watcher   watcher

	// failure is why the replica answers nothing any more; ended is closed with
	// it, and at the end of Close.
	failure atomic.Pointer[error]
	closing atomic.Bool
	// joined is set once everything above is there.
	joined  atomic.Bool
	ended   chan struct{}
	endOnce sync.Once
	died    sync.Once
}

// Open starts a replica on its folder, which it makes if there is none. It joins
// no group by itself: it takes part in the one that its folder remembers, or waits
// for Bootstrap or for a leader. A folder whose parts cannot belong to one history
// is refused with Corrupt and the step that helps.
func Open(cfg Config) (*Replica, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Replica{cfg: cfg, progress: &progress{}, ended: make(chan struct{})}
	if err := r.openDisk(); err != nil {
		return nil, errors.Join(err, r.closeDisk(nil), cfg.Listener.Close())
	}
	if err := r.join(); err != nil {
		return nil, errors.Join(err, r.layer.Close(), r.closeDisk(nil))
	}
	return r, nil
}

// openDisk opens the folder's parts and judges whether they belong together. The
// first start makes them in this order: log, state, CURRENT. So a CURRENT without a
// log, and a log that is not empty without CURRENT, are folders that lost a part.
func (r *Replica) openDisk() (err error) {
	r.folder = newFolder(r.cfg, r.fatal)
	if err := os.MkdirAll(r.cfg.Dir, 0o700); err != nil {
		return err
	}
	current, err := r.folder.current()
	if err != nil {
		return err
	}
	path := filepath.Join(r.cfg.Dir, logFile)
	if _, err := os.Stat(path); current != "" && errors.Is(err, os.ErrNotExist) {
		return refuse("there is a state, but no log: terms and votes are lost")
	}
	r.logs, err = logstore.Open(logstore.Config{Path: path, NoSync: r.cfg.noSync, Logger: r.cfg.Logger, OnFatal: r.fatal})
	if err != nil {
		return err
	}
	r.snapshots, err = snapshots.Open(snapshots.Config{
		Dir: filepath.Join(r.cfg.Dir, snapFolder), Cluster: r.Cluster, Covered: r.logs.SetSnapshot, Now: r.cfg.Now,
	})
	if err != nil {
		return err
	}
	if current == "" {
		if err := r.format(); err != nil {
			return err
		}
	}
	if err := r.identify(); err != nil {
		return err
	}
	g, err := r.openState()
	if err != nil {
		return err
	}
	r.states = newStates(g)
	index, _ := g.machine.Applied()
	r.progress.publish(index, g.machine.Version())
	return r.folder.sweep()
}

// format makes the state of a first start, and only then.
func (r *Replica) format() error {
	last, _ := r.logs.LastIndex()
	if _, kept := r.snapshots.Newest(); kept || last > 0 || r.logs.Term() > 0 {
		return refuse("there is a log or a snapshot, but no state")
	}
	return errors.Join(r.folder.format(), bundle.SyncDir(r.cfg.Dir))
}

// identify settles who this is: the folder's word, the caller's, or a new name.
func (r *Replica) identify() error {
	cluster, id, err := r.logs.Identity()
	if err != nil {
		return err
	}
	switch {
	case r.cfg.ID != "":
		r.id = r.cfg.ID
	case id != "":
		r.id = id
	default:
		var fresh protocol.ID
		_, _ = rand.Read(fresh[:])
		r.id = fresh.String()
	}
	r.committed.self = r.id
	if err := r.logs.Claim(r.cfg.Cluster, r.id); err != nil {
		return err
	}
	if cluster.IsZero() {
		cluster = r.cfg.Cluster
	}
	r.cluster.Store(&cluster)
	return nil
}

// openState opens the state that counts, or the newest snapshot's where that is
// newer (guard.go).
func (r *Replica) openState() (*generation, error) {
	name, err := r.folder.current()
	if err != nil {
		return nil, err
	}
	g, err := r.folder.open(name)
	if err != nil {
		return nil, err
	}
	e, err := r.evidence(g)
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	restore, err := judge(e)
	if err == nil && restore {
		r.cfg.Logger.Info("the state is older than the newest snapshot, which takes its place", "applied", e.applied, "snapshot", e.snapshot.ID)
		err = g.table.Close()
		if err == nil {
			g, err = r.folder.install(e.snapshot)
		}
	}
	if err == nil && e.hasSnapshot {
		_, err = settleLog(r.logs, e.snapshot.Index, e.snapshot.Term)
	}
	if err == nil {
		err = r.recall(e.snapshot.Index, e.applied)
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (r *Replica) evidence(g *generation) (e evidence, err error) {
	e.first, _ = r.logs.FirstIndex()
	e.last, _ = r.logs.LastIndex()
	e.applied, e.appliedTerm = g.machine.Applied()
	if e.snapshot, e.hasSnapshot = r.snapshots.Newest(); e.hasSnapshot {
		if e.snapshot.Cluster != r.Cluster() {
			return e, protocol.Errorf(protocol.WrongCluster, "snapshot %s is of cluster %s", e.snapshot.ID, e.snapshot.Cluster)
		}
		r.logs.SetSnapshot(e.snapshot.Index, e.snapshot.Term)
		r.committed.learn(e.snapshot.ConfigurationIndex, e.snapshot.Configuration().Servers)
	}
	if c := g.machine.Cluster(); !c.IsZero() && c != r.Cluster() {
		return e, protocol.Errorf(protocol.WrongCluster, "the state is of cluster %s, the log of %s", c, r.Cluster())
	}
	var l raft.Log
	if e.applied > 0 && r.logs.GetLog(e.applied, &l) == nil {
		e.logTerm = l.Term
	}
	return e, nil
}

// recall learns the configurations behind the newest snapshot that are known to be
// committed at a start: the state has applied nothing else.
func (r *Replica) recall(snapshot, applied uint64) error {
	for i := snapshot + 1; i <= applied; i++ {
		var l raft.Log
		if err := r.logs.GetLog(i, &l); err != nil {
			return err
		}
		if l.Type == raft.LogConfiguration {
			r.committed.learn(l.Index, raft.DecodeConfiguration(l.Data).Servers)
		}
	}
	return nil
}

// join starts the port and raft, and what stands on them.
func (r *Replica) join() (err error) {
	r.layer = link.New(link.Config{
		Listener: r.cfg.Listener, Advertise: r.cfg.Advertise, ID: r.id, Cluster: r.Cluster,
		Expect: r.expect, Removed: r.removed, Term: r.termAnswer, Mark: r.mark, Dial: r.cfg.dial,
		HandshakeTimeout: r.cfg.DialTimeout, Silence: r.cfg.DialTimeout,
		MaxConnections: MaxConnections, MaxCall: MaxCall, MaxInstall: MaxInstall, Logger: r.cfg.Logger,
	})
	r.port.Store(r.layer)
	if err := r.healthy(); err != nil {
		return err
	}
	r.engine.notify = make(chan bool, 16)
	if err := r.startRaft(); err != nil {
		return err
	}
	r.lead = &leadership{
		raft: r.node, notify: r.engine.notify, poll: r.cfg.HeartbeatTimeout / 10,
		watch: r.watch,
	}
	r.lead.start()
	r.rounds = &rounds{
		id: r.id, layer: r.layer, lead: r.lead, voters: r.servers, ownTerm: r.logs.Term,
		limit: r.cfg.ReadTimeout, ask: r.cfg.HeartbeatTimeout, redial: r.cfg.HeartbeatTimeout / 20,
	}
	r.rounds.run()
	r.batcher = newBatcher(r.node, r.cfg.inFlight)
	go r.batcher.run()
	r.joined.Store(true)
	return nil
}

// termAnswer is this member's word in others' rounds. The log store's term is
// never below raft's own, and is on disk before a vote of that term is cast.
func (r *Replica) termAnswer() link.TermAnswer {
	last, _ := r.logs.LastIndex()
	applied, _ := r.progress.read()
	return link.TermAnswer{Term: r.logs.Term(), LastLog: last, Applied: applied}
}

// ID is this member's id.
func (r *Replica) ID() string { return r.id }

// Cluster is the cluster that this replica belongs to; zero while it has none.
func (r *Replica) Cluster() protocol.ID {
	if c := r.cluster.Load(); c != nil {
		return *c
	}
	return protocol.ID{}
}

// Adopt makes a replica without a cluster one of cluster, durably; the raft port
// talks to nobody before. Another cluster than the one it has is WrongCluster.
func (r *Replica) Adopt(cluster protocol.ID) error {
	if cluster.IsZero() {
		return protocol.Errorf(protocol.InvalidArgument, "the zero cluster id names nothing")
	}
	if err := r.logs.Claim(cluster, r.id); err != nil {
		return err
	}
	r.cluster.Store(&cluster)
	return nil
}

// Bootstrap makes this replica the only voter of a new cluster and proposes the
// cluster's first entry. It may be repeated with the same cluster, after a crash
// at any point too; a replica that belongs to a cluster which runs is left as it is.
func (r *Replica) Bootstrap(ctx context.Context, cluster protocol.ID, settings *record.Settings) error {
	if err := r.Adopt(cluster); err != nil {
		return err
	}
	self := raft.Server{ID: raft.ServerID(r.id), Address: raft.ServerAddress(r.cfg.Advertise)}
	err := r.node().BootstrapCluster(raft.Configuration{Servers: []raft.Server{self}}).Error()
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return protocol.Errorf(protocol.Unavailable, "bootstrap: %w", err)
	}
	for {
		lead, moved := r.lead.current()
		if _, v := r.progress.read(); !v.IsZero() {
			return nil
		}
		if lead.Leader {
			return r.proposeBootstrap(ctx, cluster, settings)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return protocol.Errorf(protocol.Unavailable, "bootstrap: no leadership yet: %w", ctx.Err())
		case <-r.ended:
			return r.serving()
		}
	}
}

func (r *Replica) proposeBootstrap(ctx context.Context, cluster protocol.ID, settings *record.Settings) error {
	body := &record.Command_Bootstrap{Bootstrap: &record.Bootstrap{Cluster: cluster[:], Settings: settings}}
	result, err := r.Propose(ctx, &record.Command{Body: body})
	if err != nil {
		return err
	}
	if result.GetKind() != 0 {
		return protocol.Errorf(protocol.Kind(result.GetKind()), "bootstrap: %s", result.GetDetail())
	}
	return nil
}

// Leadership tells changes; only the newest unread one is kept, so compare terms.
// It is closed by Close.
func (r *Replica) Leadership() <-chan Leadership { return r.lead.out }

// Snapshot takes a snapshot now; with nothing new since the last one, or since
// the start, it does nothing.
func (r *Replica) Snapshot() error {
	if err := r.serving(); err != nil {
		return err
	}
	err := r.node().Snapshot().Error()
	switch {
	case err == nil, errors.Is(err, raft.ErrNothingNewToSnapshot):
		return nil
	default:
		return protocol.Errorf(protocol.Unavailable, "snapshot: %w", err)
	}
}
