package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

type rmFlags struct {
	recursive bool
	ifVersion string
}

func rmCommand(a *app.App) *cobra.Command {
	var f rmFlags
	cmd := &cobra.Command{
		Use:   "rm BUCKET/KEY...",
		Short: "Delete objects",
		Long: "rm deletes objects by name; with -r, every object whose name begins with BUCKET/PREFIX/.\n" +
			"Blocks that nothing refers to any more are given back in the background.",
		Example: "  ashlar rm docs/notes.txt\n  ashlar rm -r src/go",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.ifVersion != "" && (f.recursive || len(args) > 1) {
				return protocol.Errorf(protocol.InvalidArgument, "--if-version goes with one name")
			}
			c, err := a.Open(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			return f.remove(cmd.Context(), a, c, args)
		},
	}
	cmd.Flags().BoolVarP(&f.recursive, "recursive", "r", false, "delete all names below the prefix")
	cmd.Flags().StringVar(&f.ifVersion, "if-version", "", "only if the object still is this `version`")
	return cmd
}

func (f *rmFlags) remove(ctx context.Context, a *app.App, c *client.Client, args []string) error {
	removed, failed := 0, 0
	var last error
	for _, arg := range args {
		n, err := f.removeOne(ctx, a, c, arg)
		removed += n
		if err != nil {
			failed, last = failed+1, err
			if len(args) > 1 {
				a.Screen.Notef("ashlar: %s: %s", arg, err)
			}
		}
	}
	if removed > 0 || failed == 0 {
		if a.Screen.JSON {
			if err := a.Screen.Record(map[string]int{"deleted": removed, "failed": failed}); err != nil {
				return err
			}
		} else {
			a.Screen.Printf("deleted %s\n", plural(int64(removed), "object"))
		}
	}
	if failed > 0 && len(args) > 1 {
		return &app.Partial{Failed: failed, All: len(args)}
	}
	return last
}

func (f *rmFlags) removeOne(ctx context.Context, a *app.App, c *client.Client, arg string) (int, error) {
	if f.recursive {
		o, err := place.ParsePrefix(arg)
		if err != nil {
			return 0, err
		}
		return removeBelow(ctx, a, c, o)
	}
	o, err := place.ParseObject(arg)
	if err != nil {
		return 0, err
	}
	var opts []client.Option
	if f.ifVersion != "" {
		v, err := protocol.ParseVersion(f.ifVersion)
		if err != nil {
			return 0, err
		}
		opts = append(opts, client.IfVersion(v))
	}
	if err := c.Delete(ctx, o.Bucket, o.Key, opts...); err != nil {
		return 0, err
	}
	return 1, nil
}

// removeBelow deletes in pages; what is gone already counts as done.
func removeBelow(ctx context.Context, a *app.App, c *client.Client, o place.Object) (int, error) {
	prefix := o.Key
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	removed := 0
	var page []string
	flush := func() error {
		n, err := removePage(ctx, a, c, o.Bucket, page)
		removed += n
		page = page[:0]
		return err
	}
	for e, err := range c.List(ctx, o.Bucket, client.WithPrefix(prefix)) {
		if err != nil {
			return removed, err
		}
		if page = append(page, e.Name); len(page) == protocol.MaxDeleteBatch {
			if err := flush(); err != nil {
				return removed, err
			}
		}
	}
	if err := flush(); err != nil {
		return removed, err
	}
	if removed == 0 {
		return 0, protocol.Errorf(protocol.NotFound, "no object begins with %s", terminal.Safe(o.Bucket+"/"+prefix))
	}
	return removed, nil
}

func removePage(ctx context.Context, a *app.App, c *client.Client, bucket string, names []string) (int, error) {
	outcomes, err := c.DeleteBatch(ctx, bucket, names)
	removed := 0
	for i, outcome := range outcomes {
		switch {
		case outcome == nil:
			removed++
		case errors.Is(outcome, client.ErrNotFound):
		default:
			a.Screen.Notef("ashlar: %s: %s", terminal.Safe(bucket+"/"+names[i]), outcome)
			err = errors.Join(err, outcome)
		}
	}
	return removed, err
}
