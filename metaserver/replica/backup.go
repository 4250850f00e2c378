package replica

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/bundle"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/snapshots"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A backup is a snapshot's stream (package bundle), in a file of the operator's. A
// folder that is made from one holds the same state, and is the only voter of a
// group of its own: nothing else of the old group takes part in it.

// Backup streams a snapshot that holds all that was acknowledged before the call.
// Only the leader can tell that: any other replica answers NotLeader.
func (r *Replica) Backup(ctx context.Context, w io.Writer) error {
	v, err := r.View(ctx, pb.Level_LEVEL_LINEARIZABLE, protocol.Version{})
	if err != nil {
		return err
	}
	if err := v.Close(); err != nil {
		return err
	}
	applied, _ := r.progress.read()
	if err := r.Snapshot(); err != nil {
		return err
	}
	one, ok := r.snapshots.Newest()
	if !ok || one.StateIndex < applied {
		return protocol.Errorf(protocol.Unavailable, "backup: no snapshot holds entry %d yet; try again", applied)
	}
	_, stream, err := r.snapshots.Open(one.ID)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, stream)
	return errors.Join(err, stream.Close())
}

// CheckBackup reads a backup to its end and returns whose it is: Corrupt if a byte
// of it is not what was written.
func CheckBackup(r io.Reader) (cluster protocol.ID, err error) {
	h, err := bundle.Verify(r)
	return h.Cluster, err
}

// Restore makes cfg.Dir, which must be empty or missing, the folder of a replica
// whose state is the backup's, in a group of which it is the only voter. cfg needs
// Dir, ID, Cluster and Advertise. On an error the folder holds rubbish.
func Restore(cfg Config, backup io.Reader) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(cfg.Dir); err == nil && len(entries) > 0 {
		return protocol.Errorf(protocol.InvalidArgument, "restore: %s is not empty", cfg.Dir)
	}
	r := &Replica{cfg: cfg, progress: &progress{}, ended: make(chan struct{})}
	if err = r.openDisk(); err == nil {
		err = r.take(backup)
	}
	return errors.Join(err, r.closeDisk(nil))
}

// take puts the backup into the snapshots, as one whose only voter is this
// replica, with the term that it was made in: no entry of a lower one may follow.
// The next start finds the state older than it and restores it.
func (r *Replica) take(backup io.Reader) error {
	in := bufio.NewReader(backup)
	head, err := in.Peek(bundle.HeaderSize)
	if err != nil {
		return protocol.Errorf(protocol.Corrupt, "restore: this is no backup: %w", err)
	}
	h, err := bundle.ReadHeader(bytes.NewReader(head))
	if err != nil {
		return err
	}
	self := raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(r.id), Address: raft.ServerAddress(r.cfg.Advertise)}}}
	sink, err := r.snapshots.Create(1, h.Index, h.Term, self, h.Index, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sink.(*snapshots.Sink), in); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return err
	}
	if err := r.logs.SetUint64([]byte("CurrentTerm"), h.Term); err != nil {
		return err
	}
	if r.logs.Term() < h.Term {
		return protocol.Errorf(protocol.Disk, "restore: the term could not be saved")
	}
	return nil
}
