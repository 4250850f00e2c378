package serve

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/embedded"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// closeTimeout bounds how long dev and demo wait for their servers to end.
const closeTimeout = 20 * time.Second

// DefaultDevDir is where dev keeps its data.
const DefaultDevDir = "ashlar-dev"

type devFlags struct {
	dir      string
	basePort int
}

// Dev runs a whole cluster in this process.
func Dev(a *app.App) *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole cluster on this machine, for trying out",
		Long: "dev runs 3 metaservers and 3 blockservers in one process on loopback, with all data below\n" +
			"one folder. ^C stops it; the next start on the same folder goes on where it was. With base\n" +
			"port N it listens on N to N+2 (clients), N+10 to N+12 (Raft), N+20 to N+22 (blockservers)\n" +
			"and N+30 to N+32 (admin).",
		Example: "  ashlar dev\n  ashlar dev --dir /tmp/try --base-port 9400",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), a) },
	}
	cmd.Flags().StringVar(&f.dir, "dir", DefaultDevDir, "data `folder`")
	cmd.Flags().IntVar(&f.basePort, "base-port", 7400, "first `port`")
	return cmd
}

func (f *devFlags) run(ctx context.Context, a *app.App) error {
	const last = 1<<16 - 1 - 32
	if f.basePort < 1 || f.basePort > last {
		return protocol.Errorf(protocol.InvalidArgument, "--base-port is 1 to %d, not %d", last, f.basePort)
	}
	logger, err := a.Logger(slog.LevelError)
	if err != nil {
		return err
	}
	cluster, err := embedded.Start(ctx, embedded.Config{Dir: f.dir, BasePort: f.basePort, Metaservers: 3, Blockservers: 3, Logger: logger})
	if err != nil {
		return err
	}
	a.SetLevel(slog.LevelWarn)
	if err = f.announce(ctx, a, cluster.Endpoints()); err == nil {
		<-ctx.Done()
		a.Screen.Notef("stopping; a second ^C stops at once")
	}
	a.SetLevel(app.Silent)
	closing, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if closed := cluster.Close(closing); err == nil {
		err = closed
	}
	return err
}

// place is the JSON of dev, printed once when the cluster is up.
type place struct {
	Dir          string   `json:"dir"`
	Cluster      string   `json:"cluster"`
	Endpoints    []string `json:"endpoints"`
	Blockservers []string `json:"blockservers"`
	Admin        []string `json:"admin"`
}

func (f *devFlags) announce(ctx context.Context, a *app.App, endpoints []string) error {
	c, err := client.Open(ctx, client.Config{Endpoints: endpoints})
	if err != nil {
		return err
	}
	defer c.Close()
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return err
	}
	p := place{Dir: dir, Cluster: c.Cluster().String(), Endpoints: endpoints, Blockservers: f.ports(20), Admin: f.ports(30)}
	if a.Screen.JSON {
		return a.Screen.Record(p)
	}
	a.Screen.Printf("A cluster of 3 metaservers and 3 blockservers is up.\n\n")
	if err := a.Screen.Table([][]string{
		{"  data", p.Dir},
		{"  cluster", p.Cluster},
		{"  metaservers", strings.Join(p.Endpoints, " ")},
		{"  blockservers", strings.Join(p.Blockservers, " ")},
		{"  admin", strings.Join(p.Admin, " ")},
	}); err != nil {
		return err
	}
	a.Screen.Printf("\nIn another terminal:\n\n")
	if f.basePort != 7400 {
		a.Screen.Printf("  export ASHLAR_ENDPOINTS=%s\n", strings.Join(endpoints, ","))
	}
	a.Screen.Printf("  ashlar put FILE docs/first\n  ashlar ls docs/\n  ashlar get docs/first -\n" +
		"  ashlar cp -r FOLDER docs/folder\n  ashlar status\n\n^C stops the cluster; `ashlar dev` on the same folder goes on.\n")
	return nil
}

func (f *devFlags) ports(offset int) []string {
	var out []string
	for i := range 3 {
		out = append(out, fmt.Sprintf("127.0.0.1:%d", f.basePort+offset+i))
	}
	return out
}
