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
	noWait    bool
	ifVersion string
}

func rmCommand(a *app.App) *cobra.Command {
	var f rmFlags
	cmd := &cobra.Command{
		Use:   "rm BUCKET/KEY...",
		Short: "Delete objects",
		Long: "rm deletes objects by name; with -r, every object whose name begins with BUCKET/PREFIX/ and that\n" +
			"was written before the command began. The cluster does that in small steps, however many there\n" +
			"are; rm waits for its end, unless --no-wait is given, and it goes on if rm is stopped.\n" +
			"Blocks that nothing refers to any more are given back in the background.",
		Example: "  ashlar rm docs/notes.txt\n  ashlar rm -r src/go\n  ashlar rm -r src/go --no-wait",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.ifVersion != "" && (f.recursive || len(args) > 1) {
				return protocol.Errorf(protocol.InvalidArgument, "--if-version goes with one name")
			}
			if f.noWait && !f.recursive {
				return protocol.Errorf(protocol.InvalidArgument, "--no-wait goes with -r")
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
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "with -r: return at once, and print the job that deletes")
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
	if removed > 0 || failed == 0 && !f.noWait {
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
		return f.removeBelow(ctx, a, c, o)
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

// removeBelow has the cluster delete what is below a prefix, and waits for it
// unless told not to. If it is stopped meanwhile, the delete goes on.
func (f *rmFlags) removeBelow(ctx context.Context, a *app.App, c *client.Client, o place.Object) (int, error) {
	prefix := o.Key
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	id, err := c.DeletePrefix(ctx, o.Bucket, prefix)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return 0, protocol.Errorf(protocol.NotFound, "no object begins with %s", terminal.Safe(o.Bucket+"/"+prefix))
	case err != nil:
		return 0, err
	case f.noWait:
		return 0, began(a, o.Bucket+"/"+prefix, id)
	}
	count := a.Screen.Count("deleting " + terminal.Safe(o.Bucket+"/"+prefix))
	defer count.Done()
	job, err := c.WaitPrefix(ctx, id, func(j client.PrefixJob) { count.Set(j.Objects) })
	switch {
	case errors.Is(err, client.ErrCanceled):
		count.Done()
		a.Screen.Notef("ashlar: the delete %s goes on without this command", jobName(id))
	case err == nil && job.State != "done":
		err = protocol.Errorf(protocol.Canceled, "the delete %s was stopped after %s", jobName(id), plural(int64(job.Objects), "object"))
	}
	return int(job.Objects), err
}

// jobName is how jobs are listed.
func jobName(id client.Version) string { return "delete-" + id.String() }

// began prints a delete that is not waited for.
func began(a *app.App, what string, id client.Version) error {
	if a.Screen.JSON {
		return a.Screen.Record(map[string]string{"job": jobName(id)})
	}
	a.Screen.Printf("deleting %s in the background: %s\n", terminal.Safe(what), jobName(id))
	return nil
}
