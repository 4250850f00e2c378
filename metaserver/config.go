package metaserver

import (
	"cmp"
	"log/slog"
	"net"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver/dispatch"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// FeatureLevel is the highest feature level that this build understands.
const FeatureLevel = 1

// Defaults of Config.
const (
	// DefaultConcurrency bounds the client requests in flight.
	DefaultConcurrency = 8192
	// DefaultConnsPerAddress bounds the client connections of one address.
	DefaultConnsPerAddress = 4096
	// DefaultGrace is how long an unreferenced block of a new cluster stays.
	DefaultGrace = 10 * time.Minute
	// DefaultShutdownTimeout bounds a graceful end.
	DefaultShutdownTimeout = 15 * time.Second
)

// Config describes one metaserver. Dir is required; a port needs its listen
// address or a ready listener, which the server then closes.
type Config struct {
	// Dir is the data folder.
	Dir string

	// ClientListen, RaftListen and AdminListen are host:port; port 0 picks a free one.
	ClientListen, RaftListen, AdminListen string
	// ClientListener, RaftListener and AdminListener replace listening.
	ClientListener, RaftListener, AdminListener net.Listener
	// ClientAdvertise, RaftAdvertise and AdminAdvertise are what others dial;
	// empty: the listener's address.
	ClientAdvertise, RaftAdvertise, AdminAdvertise string

	// Bootstrap makes an empty folder the first member of a new cluster.
	Bootstrap bool
	// Join makes an empty folder a member of the cluster that any of these admin
	// addresses belongs to.
	Join []string
	// RestoreFrom makes an empty folder the first member of a new group whose state is
	// that of the backup in this file. RestoreGeneration, which it needs, is the
	// generation that it starts: above every one that any node has met. The backup
	// cannot tell which that is, as it may have been restored before.
	RestoreFrom       string
	RestoreGeneration uint32
	// Redundancy and Quorum are settings of a new cluster; zero: the defaults.
	Redundancy, Quorum uint32
	// Grace, likewise, is how long an unreferenced block stays, so that storing the
	// same content again is free; zero: the default, less: not at all.
	Grace time.Duration

	// Insecure allows ports that other machines can reach, without TLS.
	Insecure bool
	Logger   *slog.Logger

	// Concurrency bounds the client requests in flight, ConnsPerAddress the
	// connections of one address.
	Concurrency, ConnsPerAddress int
	// ShutdownTimeout bounds how long Run takes to end.
	ShutdownTimeout time.Duration
	// ClockOffset is added to the wall clock wherever this server reads it: for tests,
	// which show that nothing is safe or unsafe by it.
	ClockOffset time.Duration
	// Timing paces the leader's work.
	Timing dispatch.Timing
	// Replica holds timing and sizes of the replica; its folder, listener,
	// identity, logger and callbacks are set by Start.
	Replica replica.Config
}

// now is this server's wall clock.
func (cfg Config) now() time.Time { return time.Now().Add(cfg.ClockOffset) }

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Dir == "" {
		return cfg, protocol.Errorf(protocol.InvalidArgument, "a metaserver needs a data folder")
	}
	cfg.Redundancy = cmp.Or(cfg.Redundancy, protocol.DefaultRedundancy)
	cfg.Quorum = cmp.Or(cfg.Quorum, min(protocol.DefaultQuorum, cfg.Redundancy))
	if cfg.Redundancy > protocol.MaxRedundancy || cfg.Quorum > cfg.Redundancy {
		return cfg, protocol.Errorf(protocol.InvalidArgument, "1 <= quorum <= redundancy <= %d does not hold for quorum %d and redundancy %d", protocol.MaxRedundancy, cfg.Quorum, cfg.Redundancy)
	}
	cfg.Grace = max(cmp.Or(cfg.Grace, DefaultGrace), 0)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.Concurrency = cmp.Or(cfg.Concurrency, DefaultConcurrency)
	cfg.ConnsPerAddress = cmp.Or(cfg.ConnsPerAddress, DefaultConnsPerAddress)
	cfg.ShutdownTimeout = cmp.Or(cfg.ShutdownTimeout, DefaultShutdownTimeout)
	return cfg, nil
}
