package metaserver

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 3 * time.Second
)

// settle returns the folder's identity, making one where the folder is empty: a
// new cluster's, or that of the cluster at one of the join addresses, asked until
// ctx ends.
func settle(ctx context.Context, cfg Config) (identity, error) {
	id, err := loadIdentity(cfg.Dir)
	switch {
	case err == nil && cfg.RestoreFrom != "" && !id.Restored:
		// Going on with the old folder would look like a restore, and be none.
		return identity{}, protocol.Errorf(protocol.InvalidArgument, "%s belongs to a server of cluster %s already and was not begun from a backup; restore on an empty folder, or start without --restore-from to go on with this one", cfg.Dir, id.Cluster)
	case err == nil:
		if !id.Formed && !id.Bootstrap && len(cfg.Join) > 0 {
			id.Join = cfg.Join
		}
		if id.Bootstrap && len(cfg.Join) > 0 {
			cfg.Logger.Warn("this folder began a cluster of its own and will not join another; to join, start on an empty folder", "cluster", id.Cluster)
		}
		return id, nil
	case !errors.Is(err, errNoIdentity):
		return identity{}, err
	case cfg.beginnings() > 1:
		return identity{}, protocol.Errorf(protocol.InvalidArgument, "an empty folder bootstraps a cluster, joins one or is made from a backup; only one of them")
	case cfg.Bootstrap:
		id = identity{Format: identityFormat, Cluster: drawID(), Server: drawID(), Bootstrap: true}
	case len(cfg.Join) > 0:
		cluster, err := askCluster(ctx, cfg)
		if err != nil {
			return identity{}, err
		}
		id = identity{Format: identityFormat, Cluster: cluster, Server: drawID(), Join: cfg.Join}
	case cfg.RestoreFrom != "":
		if err := cfg.generationGiven(); err != nil {
			return identity{}, err
		}
		cluster, err := backupOf(cfg.RestoreFrom)
		if err != nil {
			return identity{}, err
		}
		id = identity{Format: identityFormat, Cluster: cluster, Server: drawID(), Restored: true}
	default:
		return identity{}, protocol.Errorf(protocol.InvalidArgument, "%s is empty: start the first metaserver of a cluster with --bootstrap, every other one with --join and the admin address of one that runs", cfg.Dir)
	}
	return id, id.save(cfg.Dir)
}

// beginnings counts the ways that an empty folder is asked to begin in.
func (cfg Config) beginnings() (n int) {
	for _, asked := range []bool{cfg.Bootstrap, len(cfg.Join) > 0, cfg.RestoreFrom != ""} {
		if asked {
			n++
		}
	}
	return n
}

// askCluster asks the join addresses in turn which cluster they are.
func askCluster(ctx context.Context, cfg Config) (cluster protocol.ID, err error) {
	c := admin.NewClient(protocol.ID{})
	defer c.Close()
	err = untilDone(ctx, func() error {
		var last error
		for _, addr := range cfg.Join {
			h, err := c.Hello(ctx, addr)
			if err == nil && !h.Cluster.IsZero() {
				cluster = h.Cluster
				return nil
			}
			last = err
		}
		cfg.Logger.Info("no member answers yet; asking on", "join", cfg.Join, "error", last)
		return last
	})
	return cluster, err
}

// form carries the beginning of this folder on until it is complete, and records
// that. A formed folder has nothing to do.
func (s *Server) form(ctx context.Context) error {
	if s.identity.Formed {
		return nil
	}
	step := s.joinGroup
	switch {
	case s.identity.Bootstrap:
		step = s.bootstrap
	case s.identity.Restored:
		step = s.beginAnew
	}
	if err := untilDone(ctx, func() error { return step(ctx) }); err != nil {
		return err
	}
	s.identity.Formed = true
	return s.identity.save(s.cfg.Dir)
}

func (s *Server) bootstrap(ctx context.Context) error {
	return s.replica.Bootstrap(ctx, s.identity.Cluster, &record.Settings{
		Redundancy: s.cfg.Redundancy, Quorum: s.cfg.Quorum, FeatureLevel: FeatureLevel,
		GraceMs: uint64(s.cfg.Grace.Milliseconds()),
	})
}

// joinGroup asks the leader once to make this server a voter.
func (s *Server) joinGroup(ctx context.Context) error {
	err := s.askLeader(ctx, func(addr string) error { return s.admin.Join(ctx, addr, s.self()) })
	if err != nil {
		s.cfg.Logger.Info("not a member yet; asking on", "error", err)
	}
	return err
}

// askLeader calls fn with the leader's admin address: the one that this replica's
// state knows, else the one that another member names.
func (s *Server) askLeader(ctx context.Context, fn func(addr string) error) error {
	leader, others := s.adminPorts(ctx)
	if leader != "" {
		if err := fn(leader); err == nil || !worthAnotherTry(err) {
			return err
		}
	}
	last := error(protocol.Errorf(protocol.Unavailable, "no member names a leader"))
	for _, addr := range append(others, s.identity.Join...) {
		h, err := s.admin.Hello(ctx, addr)
		if err == nil && h.LeaderAdmin != "" && h.LeaderAdmin != leader {
			err = fn(h.LeaderAdmin)
			if err == nil || !worthAnotherTry(err) {
				return err
			}
		}
		if err != nil {
			last = err
		}
	}
	return last
}

// adminPorts are the leader's admin address and those of the other members, as
// far as this replica knows them.
func (s *Server) adminPorts(ctx context.Context) (leader string, others []string) {
	rows, err := s.members(ctx)
	if err != nil {
		return "", nil
	}
	id := s.replica.Status().LeaderID
	for _, m := range rows {
		switch m.GetId() {
		case s.ID():
		case id:
			leader = m.GetAdminAddress()
		default:
			others = append(others, m.GetAdminAddress())
		}
	}
	return leader, others
}

// worthAnotherTry tells errors that pass from those that stay.
func worthAnotherTry(err error) bool {
	switch protocol.KindOf(err) {
	case protocol.WrongCluster, protocol.Removed, protocol.InvalidArgument, protocol.Corrupt, protocol.Disk, protocol.Unsupported:
		return false
	}
	return true
}

// untilDone calls fn with growing, jittered pauses until it succeeds, fails for
// good, or ctx ends.
func untilDone(ctx context.Context, fn func() error) error {
	for backoff := firstBackoff; ; backoff = min(2*backoff, lastBackoff) {
		err := fn()
		if err == nil || !worthAnotherTry(err) {
			return err
		}
		if !sleep(ctx, backoff/2+rand.N(backoff)) {
			return protocol.Errorf(protocol.Canceled, "gave up: %w", err)
		}
	}
}

// sleep waits for d; false once ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
