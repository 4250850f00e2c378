package replica

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Limits and defaults of a replica. config_test.go asserts how they relate.
const (
	// MaxQueued bounds the proposals that wait for the batcher; above it: Busy.
	MaxQueued = 8192
	// MaxBatch bounds the commands of one log entry.
	MaxBatch = 512
	// MaxInFlight bounds the entries between their hand-over to raft and their
	// result, so that the log's sync and its replication overlap.
	MaxInFlight = 4
	// MaxReads bounds the reads that wait for a round or a version; above it: Busy.
	MaxReads = 8192
	// MaxConnections bounds the connections that the raft port holds open.
	MaxConnections = 256
	// MaxIDLength bounds a member's id, in bytes.
	MaxIDLength = 63
	// MaxCall bounds the bytes of one raft call: 64 entries and their framing.
	// MaxInstall bounds a snapshot's stream.
	MaxCall    = 32 << 20
	MaxInstall = 1 << 40
	// MaxConnectionsPerMember bounds the idle connections to one member.
	MaxConnectionsPerMember = 3
)

// Config is what a replica needs to know. Zero fields take the defaults named.
type Config struct {
	// Dir is the replica's own folder: the log, the state and the snapshots.
	Dir string
	// Listener takes the raft port's connections; the replica closes it, also when
	// Open fails.
	Listener net.Listener
	// Advertise is the address that other members dial; default: Listener's.
	Advertise string
	// Cluster is the cluster to belong to. Zero: the one kept in Dir, or none
	// until Bootstrap or Adopt. Another than the one kept is WrongCluster.
	Cluster protocol.ID
	// ID names this instance for ever: a wiped folder takes a new one. Empty: the
	// one kept in Dir, or else 128 random bits drawn and kept. At most MaxIDLength
	// bytes.
	ID string
	// Logger takes the replica's, raft's and pebble's logs; default: none.
	Logger *slog.Logger
	// Now is the wall clock, for people; nil: the machine's.
	Now func() time.Time

	// HeartbeatTimeout and ElectionTimeout default to 1 s, LeaderLeaseTimeout to
	// half of HeartbeatTimeout. They decide when to try, never what is true.
	HeartbeatTimeout, ElectionTimeout, LeaderLeaseTimeout time.Duration
	// CommitTimeout is how long a follower of an idle leader may lag; 25 ms.
	CommitTimeout time.Duration
	// DialTimeout bounds dialing with its handshake, one raft call, and a silence
	// within one; 10 s.
	DialTimeout time.Duration
	// ReadTimeout bounds how long a View waits, besides its context; 10 s.
	ReadTimeout time.Duration

	// SnapshotInterval (120 s) is how often raft looks whether SnapshotThreshold
	// (8192) entries are new; TrailingLogs (10240) stay in the log after that.
	SnapshotInterval  time.Duration
	SnapshotThreshold uint64
	TrailingLogs      uint64
	// CacheBytes sizes the state's block cache; 64 MiB.
	CacheBytes int64

	// OnFatal is told, once and on a goroutine of its own, why this replica has
	// stopped answering for good: a failed write or sync, a state that diverged.
	// The process should exit; a new start reads the disk again.
	OnFatal func(error)
	// OnRemoved is told, once and on a goroutine of its own, that the group has
	// removed this member: by a change that is committed, as its own log or a leader
	// says. A member that is down or cut off when it is removed may never hear of it;
	// raft's pre-vote keeps it from disturbing the group.
	OnRemoved func()

	// Tests choose how an address is reached, and leave out the log's syncs.
	dial   func(ctx context.Context, address string) (net.Conn, error)
	noSync bool
	// inFlight is MaxInFlight unless a measurement says otherwise.
	inFlight int
}

// withDefaults returns cfg with zero fields filled in, or InvalidArgument.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.Dir == "" || cfg.Listener == nil {
		return cfg, protocol.Errorf(protocol.InvalidArgument, "a replica needs a folder and a listener")
	}
	if len(cfg.ID) > MaxIDLength {
		return cfg, protocol.Errorf(protocol.InvalidArgument, "a member's id has at most %d bytes", MaxIDLength)
	}
	cfg.Advertise = cmp.Or(cfg.Advertise, cfg.Listener.Addr().String())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.HeartbeatTimeout = cmp.Or(cfg.HeartbeatTimeout, time.Second)
	cfg.ElectionTimeout = cmp.Or(cfg.ElectionTimeout, cfg.HeartbeatTimeout)
	cfg.LeaderLeaseTimeout = cmp.Or(cfg.LeaderLeaseTimeout, cfg.HeartbeatTimeout/2)
	cfg.CommitTimeout = cmp.Or(cfg.CommitTimeout, 25*time.Millisecond)
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, 10*time.Second)
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, 10*time.Second)
	cfg.SnapshotInterval = cmp.Or(cfg.SnapshotInterval, 120*time.Second)
	cfg.SnapshotThreshold = cmp.Or(cfg.SnapshotThreshold, 8192)
	cfg.TrailingLogs = cmp.Or(cfg.TrailingLogs, 10240)
	cfg.inFlight = cmp.Or(cfg.inFlight, MaxInFlight)
	cfg.CacheBytes = cmp.Or(cfg.CacheBytes, 64<<20)
	return cfg, nil
}

// raftConfig is cfg in raft's words; the reasons stand in doc.go.
func (cfg Config) raftConfig(id string, notify chan<- bool) (*raft.Config, error) {
	rc := raft.DefaultConfig()
	rc.LocalID = raft.ServerID(id)
	rc.HeartbeatTimeout = cfg.HeartbeatTimeout
	rc.ElectionTimeout = cfg.ElectionTimeout
	rc.LeaderLeaseTimeout = cfg.LeaderLeaseTimeout
	rc.CommitTimeout = cfg.CommitTimeout
	rc.SnapshotInterval = cfg.SnapshotInterval
	rc.SnapshotThreshold = cfg.SnapshotThreshold
	rc.TrailingLogs = cfg.TrailingLogs
	rc.NoSnapshotRestoreOnStart = true
	rc.ShutdownOnRemove = true
	rc.BatchApplyCh = false
	rc.NoLegacyTelemetry = true
	rc.NotifyCh = notify
	rc.Logger = newRaftLogger(cfg.Logger)
	return rc, raft.ValidateConfig(rc)
}
