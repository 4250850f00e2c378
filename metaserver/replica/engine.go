package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/link"
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
	transport *link.Transport
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
	transport := link.NewTransport(&raft.NetworkTransportConfig{
		Stream: r.layer.Stream(), MaxPool: MaxConnectionsPerMember, MaxRPCsInFlight: 1,
		Timeout: r.cfg.DialTimeout, Logger: newRaftLogger(r.cfg.Logger),
	}, r.id, r.logs.Term)
	machine := &fsm{
		states: r.states, folder: r.folder, snapshots: r.snapshots, logs: r.logs, progress: r.progress, committed: &r.committed,
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

// raftLogger lets raft speak to slog. Only what hclog asks for and raft uses is
// more than a line: levels are slog's own, and SetLevel changes nothing.
type raftLogger struct {
	log  *slog.Logger
	name string
	args []any
}

func newRaftLogger(l *slog.Logger) hclog.Logger {
	return &raftLogger{log: l.With("part", "raft"), name: "raft"}
}

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	case hclog.Info:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

func (l *raftLogger) enabled(level hclog.Level) bool {
	return l.log.Enabled(context.Background(), slogLevel(level))
}

// Log prints hclog's lazy values only if the level is on.
func (l *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	if !l.enabled(level) {
		return
	}
	plain := make([]any, len(args))
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			a = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
		plain[i] = a
	}
	l.log.Log(context.Background(), slogLevel(level), msg, plain...)
}

func (l *raftLogger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *raftLogger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *raftLogger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *raftLogger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *raftLogger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }
func (l *raftLogger) IsTrace() bool                 { return l.enabled(hclog.Trace) }
func (l *raftLogger) IsDebug() bool                 { return l.enabled(hclog.Debug) }
func (l *raftLogger) IsInfo() bool                  { return l.enabled(hclog.Info) }
func (l *raftLogger) IsWarn() bool                  { return l.enabled(hclog.Warn) }
func (l *raftLogger) IsError() bool                 { return l.enabled(hclog.Error) }
func (l *raftLogger) ImpliedArgs() []any            { return l.args }
func (l *raftLogger) Name() string                  { return l.name }
func (l *raftLogger) SetLevel(hclog.Level)          {}
func (l *raftLogger) GetLevel() hclog.Level         { return hclog.NoLevel }

func (l *raftLogger) With(args ...any) hclog.Logger {
	return &raftLogger{log: l.log.With(args...), name: l.name, args: append(l.args[:len(l.args):len(l.args)], args...)}
}

func (l *raftLogger) Named(name string) hclog.Logger {
	return l.ResetNamed(l.name + "." + name)
}

func (l *raftLogger) ResetNamed(name string) hclog.Logger {
	return &raftLogger{log: l.log, name: name, args: l.args}
}

func (l *raftLogger) StandardLogger(o *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(o), "", 0)
}

func (l *raftLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return slog.NewLogLogger(l.log.Handler(), slog.LevelInfo).Writer()
}
