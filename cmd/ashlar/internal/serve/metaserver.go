package serve

import (
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/metaserver"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Metaserver runs one metaserver.
func Metaserver(a *app.App) *cobra.Command {
	var cfg metaserver.Config
	cmd := &cobra.Command{
		Use:   "metaserver --dir DIR (--bootstrap | --join ADMIN-ADDRESS | --restore-from FILE --restore-generation N)",
		Short: "Run one metaserver",
		Long: "metaserver runs one member of the Raft group. On an empty folder it either makes a new\n" +
			"cluster (--bootstrap, on exactly one machine, once), joins one (--join), or begins a new group\n" +
			"of the same cluster from a backup (--restore-from, on exactly one machine, once the old group\n" +
			"has ended for good). Later starts on the same folder need none of them, and are not harmed.",
		Example: "  ashlar metaserver --dir meta0 --bootstrap\n" +
			"  ashlar metaserver --dir meta1 --join 127.0.0.1:7430 --client-listen 127.0.0.1:7401 \\\n" +
			"    --raft-listen 127.0.0.1:7411 --admin-listen 127.0.0.1:7431",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Dir == "" {
				return protocol.Errorf(protocol.InvalidArgument, "--dir is required: the folder that holds this metaserver's state")
			}
			logger, err := a.Logger(slog.LevelInfo)
			if err != nil {
				return err
			}
			cfg.Logger = logger
			return metaserver.Run(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Dir, "dir", "", "data `folder`")
	f.StringVar(&cfg.ClientListen, "client-listen", "127.0.0.1:7400", "`address` of the client port")
	f.StringVar(&cfg.RaftListen, "raft-listen", "127.0.0.1:7410", "`address` of the Raft port")
	f.StringVar(&cfg.AdminListen, "admin-listen", "127.0.0.1:7430", "`address` of the admin port")
	f.StringVar(&cfg.ClientAdvertise, "client-advertise", "", "`address` that clients reach the client port at (default: as it listens)")
	f.StringVar(&cfg.RaftAdvertise, "raft-advertise", "", "`address` that members reach the Raft port at (default: as it listens)")
	f.StringVar(&cfg.AdminAdvertise, "admin-advertise", "", "`address` that members reach the admin port at (default: as it listens)")
	f.BoolVar(&cfg.Bootstrap, "bootstrap", false, "make a new cluster if the folder is empty")
	f.StringSliceVar(&cfg.Join, "join", nil, "admin `addresses` of members to join through if the folder is empty")
	f.StringVar(&cfg.RestoreFrom, "restore-from", "", "`file` that cluster backup wrote, to begin from if the folder is empty")
	f.Uint32Var(&cfg.RestoreGeneration, "restore-generation", 0, "`number` of the generation that a restored group starts, above every one that the cluster has been in; --restore-from needs it")
	f.Uint32Var(&cfg.Redundancy, "redundancy", protocol.DefaultRedundancy, "copies of each block, in a new cluster")
	f.Uint32Var(&cfg.Quorum, "quorum", protocol.DefaultQuorum, "copies that a write waits for, in a new cluster")
	f.BoolVar(&cfg.Insecure, "insecure", false, "listen beyond loopback without TLS")
	f.DurationVar(&cfg.ClockOffset, "clock-offset", 0, "`time` to add to this machine's clock wherever it is read; for tests")
	_ = f.MarkHidden("clock-offset")
	raftFlags(f, &cfg)
	cmd.MarkFlagsMutuallyExclusive("bootstrap", "join", "restore-from")
	return cmd
}

// raftFlags are for tests of what happens rarely with the defaults: a snapshot
// that has to be installed, a network as slow as the timeouts.
func raftFlags(f *pflag.FlagSet, cfg *metaserver.Config) {
	f.Uint64Var(&cfg.Replica.TrailingLogs, "trailing-logs", 0, "entries that stay in the log after a snapshot")
	f.DurationVar(&cfg.Replica.HeartbeatTimeout, "heartbeat-timeout", 0, "how long a follower waits for its leader")
	for _, name := range []string{"trailing-logs", "heartbeat-timeout"} {
		_ = f.MarkHidden(name)
	}
}
