package cli

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/transfer"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

type cpFlags struct {
	recursive bool
	parallel  int
}

func cpCommand(a *app.App) *cobra.Command {
	var f cpFlags
	cmd := &cobra.Command{
		Use:   "cp [-r] FROM TO",
		Short: "Copy files or folders into the cluster, or back",
		Long: "cp copies a file, or with -r a folder, to BUCKET/KEY or back; many files are in flight at\n" +
			"once. What is below FROM is found below TO. Empty folders, permission bits, times of files and\n" +
			"symbolic links are kept, so that `diff -r` between the original and a copy of the copy\n" +
			"finds nothing.\n\n" +
			"A place that begins with \"/\", \"./\" or \"../\" is local, one that begins with \"ashlar://\" is\n" +
			"in the cluster. Where neither place says so, FROM is local if it exists.",
		Example: "  ashlar cp -r \"$(go env GOROOT)\" src/go\n  ashlar cp -r src/go ./back",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			up, err := place.Upload(args[0], args[1])
			switch {
			case err != nil:
				return err
			case up:
				return f.up(cmd.Context(), a, args[0], args[1])
			}
			return f.down(cmd.Context(), a, args[0], args[1])
		},
	}
	cmd.Flags().BoolVarP(&f.recursive, "recursive", "r", false, "copy folders with everything below")
	cmd.Flags().IntVar(&f.parallel, "parallel", transfer.DefaultParallel, "files in flight")
	return cmd
}

func (f *cpFlags) up(ctx context.Context, a *app.App, from, to string) error {
	info, err := os.Stat(from)
	if err == nil && info.IsDir() {
		if !f.recursive {
			return protocol.Errorf(protocol.InvalidArgument, "%s is a folder; copy it with -r", from)
		}
		return upload(ctx, a, f.parallel, from, to)
	}
	return new(putFlags).put(ctx, a, from, to)
}

func (f *cpFlags) down(ctx context.Context, a *app.App, from, to string) error {
	if !f.recursive {
		o, err := place.ParseObject(from)
		if err != nil {
			return err
		}
		return new(getFlags).get(ctx, a, o, to)
	}
	o, err := place.ParsePrefix(from)
	if err != nil {
		return err
	}
	return moveTree(ctx, a, f.parallel, "get "+o.String(), func(cfg transfer.Config) (transfer.Summary, error) {
		return transfer.Download(ctx, cfg, o.Bucket, o.Key, to)
	})
}

// upload copies a folder into the cluster.
func upload(ctx context.Context, a *app.App, parallel int, from, to string) error {
	o, err := place.ParsePrefix(to)
	if err != nil {
		return err
	}
	return moveTree(ctx, a, parallel, "put "+o.String(), func(cfg transfer.Config) (transfer.Summary, error) {
		return transfer.Upload(ctx, cfg, from, o.Bucket, strings.TrimSuffix(o.Key, "/"))
	})
}

func moveTree(ctx context.Context, a *app.App, parallel int, label string, move func(transfer.Config) (transfer.Summary, error)) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	p := a.Screen.Progress(label, 0)
	summary, err := move(transfer.Config{
		Client: c, Parallel: parallel, Progress: p,
		Failed: func(name string, err error) { a.Screen.Notef("ashlar: %s: %s", terminal.Safe(name), err) },
	})
	p.Done()
	if err != nil && app.ExitCode(err) != app.ExitPartial {
		return err
	}
	if printed := printSummary(a, summary); printed != nil {
		return printed
	}
	return err
}

func printSummary(a *app.App, s transfer.Summary) error {
	if a.Screen.JSON {
		return a.Screen.Record(s)
	}
	line := plural(s.Files, "file") + ", " + plural(s.Links, "link") + ", " + plural(s.Folders, "folder mark") + ", " + terminal.Bytes(uint64(s.Bytes))
	a.Screen.Printf("%s in %.1f s\n", line, s.Seconds)
	return nil
}
