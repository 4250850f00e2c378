package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

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
			"Blocks that nothing refers to any more are given back in the background. In a bucket that\n" +
			"keeps deleted objects (`ashlar bucket set`) they go to the trash first, and rm tells until\n" +
			"when.",
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

// removal is what rm did, as -o json prints it.
type removal struct {
	Deleted int `json:"deleted"`
	Failed  int `json:"failed"`
	// InTrash counts those that a bucket keeps, and TrashUntil is when the first of
	// them is to go.
	InTrash    int       `json:"in_trash,omitempty"`
	TrashUntil time.Time `json:"trash_until,omitzero"`
}

// add counts n objects that went together; due is zero if they are not kept.
func (r *removal) add(n int, due time.Time) {
	r.Deleted += n
	if n == 0 || due.IsZero() {
		return
	}
	r.InTrash += n
	if r.TrashUntil.IsZero() || due.Before(r.TrashUntil) {
		r.TrashUntil = due
	}
}

func (r *removal) print(a *app.App) error {
	if a.Screen.JSON {
		return a.Screen.Record(r)
	}
	a.Screen.Printf("deleted %s\n", plural(int64(r.Deleted), "object"))
	if r.InTrash > 0 {
		which := ""
		if r.InTrash < r.Deleted {
			which = strconv.Itoa(r.InTrash) + " of them "
		}
		a.Screen.Printf("%sin the trash until %s; `ashlar undelete` brings back what is there\n", which, r.TrashUntil.Local().Format(time.DateTime))
	}
	return nil
}

func (f *rmFlags) remove(ctx context.Context, a *app.App, c *client.Client, args []string) error {
	var done removal
	var last error
	for _, arg := range args {
		if err := f.removeOne(ctx, a, c, arg, &done); err != nil {
			done.Failed, last = done.Failed+1, err
			if len(args) > 1 {
				a.Screen.Notef("ashlar: %s: %s", arg, err)
			}
		}
	}
	if done.Deleted > 0 || done.Failed == 0 && !f.noWait {
		if err := done.print(a); err != nil {
			return err
		}
	}
	if done.Failed > 0 && len(args) > 1 {
		return &app.Partial{Failed: done.Failed, All: len(args)}
	}
	return last
}

func (f *rmFlags) removeOne(ctx context.Context, a *app.App, c *client.Client, arg string, done *removal) error {
	if f.recursive {
		o, err := place.ParsePrefix(arg)
		if err != nil {
			return err
		}
		return f.removeBelow(ctx, a, c, o, done)
	}
	o, err := place.ParseObject(arg)
	if err != nil {
		return err
	}
	var due time.Time
	opts := []client.Option{client.WithTrashDue(&due)}
	if f.ifVersion != "" {
		v, err := protocol.ParseVersion(f.ifVersion)
		if err != nil {
			return err
		}
		opts = append(opts, client.IfVersion(v))
	}
	if err := c.Delete(ctx, o.Bucket, o.Key, opts...); err != nil {
		return err
	}
	done.add(1, due)
	return nil
}

// removeBelow has the cluster delete what is below a prefix, and waits for it
// unless told not to. If it is stopped meanwhile, the delete goes on.
func (f *rmFlags) removeBelow(ctx context.Context, a *app.App, c *client.Client, o place.Object, done *removal) error {
	prefix := o.Key
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	id, err := c.DeletePrefix(ctx, o.Bucket, prefix)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return protocol.Errorf(protocol.NotFound, "no object begins with %s", terminal.Safe(o.Bucket+"/"+prefix))
	case err != nil:
		return err
	case f.noWait:
		return began(a, o.Bucket+"/"+prefix, id)
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
	done.add(int(job.Objects), keptUntil(ctx, c, o.Bucket, job))
	return err
}

// keptUntil is when the first object of a delete is to go out of the trash, at the
// earliest; zero if the bucket has none.
func keptUntil(ctx context.Context, c *client.Client, bucket string, job client.PrefixJob) (due time.Time) {
	settings, err := c.Bucket(ctx, bucket)
	if err != nil || settings.TrashKeep == 0 || job.Objects == 0 {
		return due
	}
	return time.UnixMilli(job.StartedUnixMs).Add(settings.TrashKeep)
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
