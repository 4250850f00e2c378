package snapshots

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/bundle"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Checkpoint is a state's checkpoint on its way into the store: its folder, and
// the last entry that the state in it has applied.
type Checkpoint struct {
	Dir         string
	Index, Term uint64
}

// Sink is a snapshot that is being made. Raft uses it from one goroutine.
type Sink struct {
	store *Store
	dir   string
	one   Snapshot
	// pipe and unpacked belong to a leader's stream: bytes go in, a verified
	// checkpoint comes out.
	pipe     *io.PipeWriter
	unpacked chan error
	adopted  bool
	ended    bool
	err      error
}

// ID names the snapshot once Close has made it.
func (k *Sink) ID() string { return k.one.ID }

func (k *Sink) checkpoint() string { return filepath.Join(k.dir, "checkpoint") }

// Adopt takes over a checkpoint that lies on the same file system.
func (k *Sink) Adopt(c Checkpoint) error {
	if err := os.Rename(c.Dir, k.checkpoint()); err != nil {
		return err
	}
	k.one.StateIndex, k.one.StateTerm, k.adopted = c.Index, c.Term, true
	return nil
}

// Write takes a leader's stream and unpacks it as it comes.
func (k *Sink) Write(p []byte) (int, error) {
	if k.pipe == nil {
		if err := os.Mkdir(k.checkpoint(), 0o700); err != nil {
			return 0, err
		}
		r, w := io.Pipe()
		k.pipe, k.unpacked = w, make(chan error, 1)
		go func() {
			err := k.unpack(r)
			_ = r.CloseWithError(err)
			k.unpacked <- err
		}()
	}
	return k.pipe.Write(p)
}

func (k *Sink) unpack(r io.Reader) error {
	h, err := bundle.Read(r, k.checkpoint(), func(h bundle.Header) error {
		if h.Cluster != k.one.Cluster {
			return protocol.Errorf(protocol.WrongCluster, "snapshot of cluster %s", h.Cluster)
		}
		if h.Index != k.one.Index || h.Term != k.one.Term {
			return protocol.Errorf(protocol.Corrupt, "snapshot of entry %d, term %d, announced as %d, term %d", h.Index, h.Term, k.one.Index, k.one.Term)
		}
		return nil
	})
	k.one.StateIndex, k.one.StateTerm = h.StateIndex, h.StateTerm
	return err
}

// Close makes the snapshot durable and known, or fails and leaves nothing.
func (k *Sink) Close() error {
	if k.ended {
		return k.err
	}
	k.ended = true
	k.err = k.finish()
	if k.err != nil {
		_ = os.RemoveAll(k.dir)
	}
	return k.err
}

func (k *Sink) finish() (err error) {
	if k.pipe != nil {
		_ = k.pipe.Close()
		if err := <-k.unpacked; err != nil {
			return err
		}
	} else if !k.adopted {
		return protocol.Errorf(protocol.Corrupt, "snapshot without a state")
	}
	if k.one.Size, err = bundle.Size(k.checkpoint()); err != nil {
		return err
	}
	if k.one, err = k.store.add(k.dir, k.one); err != nil {
		return err
	}
	if k.adopted {
		k.store.cfg.Covered(k.one.Index, k.one.Term)
	}
	return nil
}

// Cancel gives up; after Close it changes nothing.
func (k *Sink) Cancel() error {
	if k.ended {
		return nil
	}
	k.ended, k.err = true, protocol.Errorf(protocol.Canceled, "snapshot given up")
	if k.pipe != nil {
		_ = k.pipe.CloseWithError(k.err)
		<-k.unpacked
	}
	return errors.Join(os.RemoveAll(k.dir))
}
