package replica

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/logstore"
)

// engine is raft itself with its transport. It is replaced in one case: when a
// snapshot shows that the log here is of another history. Raft would go on with
// the last entry that it remembers, and so vote for members that lack committed
// entries, and refuse what follows the snapshot for ever; a new raft reads the
// log, which is empty then, and knows the snapshot only.
type engine struct {
	notify chan bool
	raft   atomic.Pointer[raft.Raft]

	// mu guards transport, and makes replacing and closing one after the other.
	mu        sync.Mutex
	transport *raft.NetworkTransport
	closed    bool
	replacing sync.WaitGroup
}

// node is the present raft.
func (r *Replica) node() *raft.Raft { return r.engine.raft.Load() }

// startRaft makes a raft on the folder as it is.
func (r *Replica) startRaft() error {
	rc, err := r.cfg.raftConfig(r.id, r.engine.notify)
	if err != nil {
		return err
	}
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: r.layer.Stream(), MaxPool: MaxConnectionsPerMember, MaxRPCsInFlight: 1,
		Timeout: r.cfg.DialTimeout, Logger: newRaftLogger(r.cfg.Logger),
	})
	machine := &fsm{
		states: r.states, folder: r.folder, snapshots: r.snapshots, logs: r.logs, progress: r.progress,
		fatal: r.fatal, healthy: r.healthy, replace: r.replaceRaft,
	}
	node, err := raft.NewRaft(rc, machine, r.logs, r.logs, r.snapshots, transport)
	if err != nil {
		return errors.Join(err, transport.Close())
	}
	r.engine.transport = transport
	r.engine.raft.Store(node)
	return nil
}

// replaceRaft is called by the applier of the present raft, which must not speak
// any more: the port is mute when it returns, and until the next raft runs.
func (r *Replica) replaceRaft() {
	r.cfg.Logger.Warn("the log here is of another history than the leader's snapshot; raft starts anew from the snapshot")
	unmute := r.layer.Mute()
	r.engine.replacing.Go(func() {
		r.engine.mu.Lock()
		defer r.engine.mu.Unlock()
		if r.engine.closed {
			return
		}
		err := errors.Join(r.node().Shutdown().Error(), r.engine.transport.Close())
		if err = errors.Join(err, r.startRaft()); err != nil {
			r.fatal(err)
			return
		}
		unmute()
	})
}

// stopRaft ends raft for good.
func (r *Replica) stopRaft() error {
	r.engine.mu.Lock()
	r.engine.closed = true
	err := errors.Join(r.node().Shutdown().Error(), r.engine.transport.Close())
	r.engine.mu.Unlock()
	r.engine.replacing.Wait()
	return err
}

// settleLog makes the log fit a snapshot that this member's state has: of a log
// that ends before it, or that holds another entry in its place, nothing is worth
// keeping, and some of it may be of another history. stale says that a running
// raft remembers more of it than is true.
func settleLog(logs *logstore.Store, index, term uint64) (stale bool, err error) {
	relation, err := logs.Relate(index, term)
	if err != nil || relation == logstore.Same {
		return false, err
	}
	return relation == logstore.Another, logs.Drop()
}

// errReplaced is what the leader is told of a snapshot whose arrival replaces raft.
var errReplaced = errors.New("the snapshot is installed; raft starts anew from it")
