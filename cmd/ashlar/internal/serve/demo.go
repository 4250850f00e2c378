package serve

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/transfer"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/tree"
	"github.com/seed-7d21a5b5/ashlar/cmd/embedded"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// maxDifferences bounds the differences that demo prints.
const maxDifferences = 20

// Demo does the main job end to end: a folder in, in again, out, and compared.
func Demo(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "demo [DIR]",
		Short: "Copy a folder into a throw-away cluster and back, and compare",
		Long: "demo starts a cluster of 3 metaservers and 3 blockservers in a temporary folder, copies DIR\n" +
			"(default: this folder) into it twice, copies it back, and compares every file. It takes\n" +
			"the cluster away again.",
		Example: "  ashlar demo\n  ashlar demo \"$(go env GOROOT)/src\"",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := filepath.Abs(append(args, ".")[0])
			if err != nil {
				return err
			}
			return demo(cmd.Context(), a, from)
		},
	}
}

func demo(ctx context.Context, a *app.App, from string) (err error) {
	logger, err := a.Logger(slog.LevelError)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ashlar-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	cluster, err := embedded.Start(ctx, embedded.Config{Dir: filepath.Join(dir, "cluster"), Metaservers: 3, Blockservers: 3, Logger: logger})
	if err != nil {
		return err
	}
	defer func() {
		a.SetLevel(app.Silent)
		closing, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		err = errors.Join(err, cluster.Close(closing))
	}()
	c, err := client.Open(ctx, client.Config{Endpoints: cluster.Endpoints()})
	if err != nil {
		return err
	}
	defer c.Close()
	t := tour{a: a, c: c, from: from, back: filepath.Join(dir, "back")}
	a.Screen.Printf("started  3 metaservers, 3 blockservers, %.1f s\n", time.Since(start).Seconds())
	return t.walk(ctx)
}

// tour is one run of demo.
type tour struct {
	a          *app.App
	c          *client.Client
	from, back string
}

func (t *tour) walk(ctx context.Context) error {
	in, err := t.step("put", func(cfg transfer.Config) (transfer.Summary, error) {
		return transfer.Upload(ctx, cfg, t.from, "demo", "first")
	})
	if err != nil {
		return err
	}
	if _, err := t.step("again", func(cfg transfer.Config) (transfer.Summary, error) {
		return transfer.Upload(ctx, cfg, t.from, "demo", "second")
	}); err != nil {
		return err
	}
	if err := t.sizes(ctx, in); err != nil {
		return err
	}
	if _, err := t.step("get", func(cfg transfer.Config) (transfer.Summary, error) {
		return transfer.Download(ctx, cfg, "demo", "first", t.back)
	}); err != nil {
		return err
	}
	return t.compare(ctx)
}

func (t *tour) step(name string, move func(transfer.Config) (transfer.Summary, error)) (transfer.Summary, error) {
	p := t.a.Screen.Progress(name, 0)
	s, err := move(transfer.Config{Client: t.c, Parallel: transfer.DefaultParallel, Progress: p, Failed: func(name string, err error) {
		t.a.Screen.Notef("ashlar: %s: %s", terminal.Safe(name), err)
	}})
	p.Done()
	t.a.Screen.Printf("%-8s %d files, %d links, %s in %.1f s\n", name, s.Files, s.Links, terminal.Bytes(uint64(s.Bytes)), s.Seconds)
	return s, err
}

func (t *tour) sizes(ctx context.Context, in transfer.Summary) error {
	status, err := t.c.Status(ctx)
	if err != nil {
		return err
	}
	n := status.GetCounters()
	t.a.Screen.Printf("kept     %s of objects as %s of blocks (compressed, one copy of %d) and %s inline\n",
		terminal.Bytes(n.GetLogicalBytes()), terminal.Bytes(n.GetLiveStoredBytes()), status.GetRedundancy(), terminal.Bytes(n.GetInlineBytes()))
	if n.GetLivePlainBytes() > uint64(in.Bytes) {
		return protocol.Errorf(protocol.Internal, "the second copy added blocks: %d plain bytes kept for %d", n.GetLivePlainBytes(), in.Bytes)
	}
	return nil
}

func (t *tour) compare(ctx context.Context) error {
	differences, err := tree.Compare(ctx, t.from, t.back, maxDifferences)
	if err != nil {
		return err
	}
	for _, d := range differences {
		t.a.Screen.Printf("differs  %s\n", d)
	}
	if len(differences) > 0 {
		return protocol.Errorf(protocol.HashMismatch, "what came back is not what went in")
	}
	t.a.Screen.Printf("same     what came back is what went in\n")
	return nil
}
