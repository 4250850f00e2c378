package metaserver

import (
	"context"
	"errors"
	"os"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A folder that begins from a backup. Until it is formed nobody is served from it
// and nobody can join it, so that the first thing that its group does is to start a
// generation (reclamation.md, Generation). Until then it may begin again: nothing
// was acknowledged from it.

// backupOf reads a backup to its end and returns whose it is.
func backupOf(path string) (cluster protocol.ID, err error) {
	f, err := os.Open(path)
	if err != nil {
		return cluster, protocol.Errorf(protocol.InvalidArgument, "backup: %w", err)
	}
	cluster, err = replica.CheckBackup(f)
	return cluster, errors.Join(err, f.Close())
}

// generationGiven: a restore is told which generation it starts. The one after the
// backup's would be given out a second time where the same backup was restored
// before, and what nodes have met would no longer tell the two histories apart.
func (cfg Config) generationGiven() error {
	if cfg.RestoreGeneration > protocol.MaxGeneration {
		return protocol.Errorf(protocol.InvalidArgument, "--restore-generation is at most %d, not %d; a blockserver that has met a higher one is damaged or false, and has to be left out", uint32(protocol.MaxGeneration), cfg.RestoreGeneration)
	}
	if cfg.RestoreGeneration > 0 {
		return nil
	}
	return protocol.Errorf(protocol.InvalidArgument, "--restore-from needs --restore-generation: a number above every generation that this cluster has been in; \"highest_seen\" in each blockserver's /v1/status, and the version of `ashlar status`, begin with the present one")
}

// restoring: the folder's beginning from a backup is not complete.
func (s *Server) restoring() bool { return s.identity.Restored && !s.identity.Formed }

// restore makes the replica's folder from the backup, from the start. The backup is
// read to its end before anything of a try before is removed.
func (s *Server) restore(rc replica.Config) error {
	if s.cfg.RestoreFrom == "" {
		return protocol.Errorf(protocol.InvalidArgument, "%s was begun from a backup and that was not finished; start once more with --restore-from and --restore-generation", s.cfg.Dir)
	}
	if err := s.cfg.generationGiven(); err != nil {
		return err
	}
	cluster, err := backupOf(s.cfg.RestoreFrom)
	if err != nil {
		return err
	}
	if cluster != s.identity.Cluster {
		return protocol.Errorf(protocol.WrongCluster, "the backup is of cluster %s, and %s was begun from one of cluster %s", cluster, s.cfg.Dir, s.identity.Cluster)
	}
	if err := os.RemoveAll(rc.Dir); err != nil {
		return protocol.Errorf(protocol.Disk, "restore: %w", err)
	}
	f, err := os.Open(s.cfg.RestoreFrom)
	if err != nil {
		return protocol.Errorf(protocol.InvalidArgument, "backup: %w", err)
	}
	return errors.Join(replica.Restore(rc, f), f.Close())
}

// beginAnew starts the generation and forgets the members of the old group.
func (s *Server) beginAnew(ctx context.Context) error {
	v, err := s.replica.View(ctx, pb.Level_LEVEL_LINEARIZABLE, protocol.Version{})
	if err != nil {
		return err
	}
	cluster, err := state.ClusterRow(v)
	if err = errors.Join(err, v.Close()); err != nil {
		return err
	}
	rows, err := s.members(ctx)
	if err != nil {
		return err
	}
	for _, m := range rows {
		gone := &record.Command_RemoveMetaMember{RemoveMetaMember: &record.RemoveMetaMember{Id: m.GetId()}}
		if err := s.decree(ctx, &record.Command{Body: gone}); err != nil && protocol.KindOf(err) != protocol.NotFound {
			return err
		}
	}
	generation := s.cfg.RestoreGeneration
	if s.asked && generation == cluster.GetGeneration() {
		return nil // a try before had an outcome that was not known
	}
	s.asked = true
	err = s.decree(ctx, &record.Command{Body: &record.Command_StartGeneration{StartGeneration: &record.StartGeneration{
		Generation: generation, PausedClasses: state.HeldByRestore,
	}}})
	if err == nil {
		s.cfg.Logger.Warn("restored from a backup: what was acknowledged after it is lost, and nothing is deleted until `ashlar gc resume`", "backup", s.cfg.RestoreFrom, "generation", generation)
	}
	if protocol.KindOf(err) == protocol.PreconditionFailed {
		return protocol.Errorf(protocol.InvalidArgument, "restore: %w", err)
	}
	return err
}
