package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/audit"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/bench"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/cluster"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/fleet"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/serve"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/trash"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/work"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Main runs the command that args name and returns its exit code. SIGINT and
// SIGTERM end it in good order; a second one ends the process at once.
func Main(cfg app.Config, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, cfg, args)
}

// Run is Main without signals.
func Run(ctx context.Context, cfg app.Config, args []string) int {
	a := app.New(cfg)
	root := Root(a)
	root.SetArgs(args)
	root.SetIn(cfg.In)
	root.SetOut(cfg.Out)
	root.SetErr(cfg.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = a.Screen.Broken()
	}
	if err == nil {
		return app.ExitOK
	}
	err = usage(cmd, err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = protocol.Errorf(protocol.Canceled, "stopped by a signal")
	}
	a.Expect(args)
	a.Report(err)
	return app.ExitCode(err)
}

// Root builds the whole tree of commands.
func Root(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "ashlar",
		Short: "A self-hosted, content-addressed object store",
		Long: "ashlar keeps objects as deduplicated, content-addressed blocks.\n\n" +
			"Try it: `ashlar dev` starts a cluster on this machine and prints what to type next.",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if completes(cmd) {
				return nil
			}
			return a.Settle(cmd)
		},
	}
	a.Bind(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return protocol.Errorf(protocol.InvalidArgument, "%w; see `%s --help`", err, cmd.CommandPath())
	})
	group(root, "objects", "Objects:", putCommand(a), getCommand(a), lsCommand(a), statCommand(a), rmCommand(a), trash.Undelete(a), cpCommand(a), blockCommand(a))
	group(root, "keep", "What buckets keep:", trash.Bucket(a), trash.Trash(a))
	group(root, "servers", "Servers:", serve.Dev(a), serve.Demo(a), serve.Metaserver(a), serve.Blockserver(a), cluster.Command(a))
	group(root, "fleet", "Nodes and layout:", fleet.Node(a), fleet.Layout(a), fleet.Job(a))
	group(root, "background", "Background work:", work.Explain(a), work.GC(a), work.Resync(a))
	group(root, "look", "Looking around:", statusCommand(a), audit.Command(a), bench.Command(a), configCommand(a), versionCommand(a))
	return root
}

func group(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range commands {
		c.GroupID = id
		root.AddCommand(c)
	}
}

func completes(cmd *cobra.Command) bool {
	for c := cmd; c != nil; c = c.Parent() {
		if c.Name() == "completion" || c.Name() == cobra.ShellCompRequestCmd || c.Name() == cobra.ShellCompNoDescRequestCmd || c.Name() == "help" {
			return true
		}
	}
	return false
}

// usage gives cobra's own errors, about cmd, the kind of a wrong command line.
func usage(cmd *cobra.Command, err error) error {
	text := err.Error()
	for _, beginning := range []string{"unknown command", "accepts ", "requires ", "required flag", "if any flags"} {
		if strings.HasPrefix(text, beginning) {
			return protocol.Errorf(protocol.InvalidArgument, "%s; see `%s --help`", text, cmd.CommandPath())
		}
	}
	return err
}
