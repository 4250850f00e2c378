package replica

import (
	"context"
	"errors"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// fatal ends the replica's part in the group: what it says from now on cannot be
// trusted, so it says nothing. Its port closes, so that others elect a leader,
// and OnFatal is told once. What remains to do is Close.
func (r *Replica) fatal(err error) {
	r.died.Do(func() {
		r.failure.Store(&err)
		r.cfg.Logger.Error("this replica has stopped answering for good", "error", err)
		r.endOnce.Do(func() { close(r.ended) })
		go func() {
			if port := r.port.Load(); port != nil {
				_ = port.Close()
			}
			if r.cfg.OnFatal != nil {
				r.cfg.OnFatal(err)
			}
		}()
	})
}

// healthy is nil, or why the replica has ended.
func (r *Replica) healthy() error {
	if p := r.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// serving is nil while requests are taken.
func (r *Replica) serving() error {
	if err := r.healthy(); err != nil {
		return protocol.Errorf(protocol.Unavailable, "this metaserver has failed: %w", err)
	}
	if r.closing.Load() {
		return errClosed()
	}
	return nil
}

// Close ends the replica in order: no new requests, outcomes for what is on its
// way, leadership to another voter, then raft, the port, the state and the log.
// ctx bounds the courtesies and the wait for open Views, never the order. It is
// idempotent.
func (r *Replica) Close(ctx context.Context) error {
	return r.shut(ctx, true)
}

func (r *Replica) shut(ctx context.Context, courtesy bool) error {
	if r.closing.Swap(true) {
		return nil
	}
	if courtesy && r.healthy() == nil {
		r.batcher.close(ctx)
		if r.node().State() == raft.Leader {
			if err := r.TransferLeadership(ctx); err != nil {
				r.cfg.Logger.Info("leadership was not handed on", "error", err)
			}
		}
	} else {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		r.batcher.close(over)
	}
	r.endOnce.Do(func() { close(r.ended) })
	r.rounds.close()
	err := r.layer.Close()
	r.logs.Release()
	err = errors.Join(err, r.stopRaft())
	r.lead.close()
	return errors.Join(err, r.closeDisk(ctx.Done()))
}

// closeDisk closes what openDisk opened.
func (r *Replica) closeDisk(giveUp <-chan struct{}) (err error) {
	if r.states != nil {
		err = r.states.close(giveUp)
	}
	if r.logs != nil {
		err = errors.Join(err, r.logs.Close())
	}
	return err
}
