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
	ifVersion string
}

func rmCommand(a *app.App) *cobra.Command {
	var f rmFlags
	cmd := &cobra.Command{
		Use:   "rm BUCKET/KEY...",
		Short: "Delete objects",
		Long: "rm deletes objects by name; with -r, every object whose name begins with BUCKET/PREFIX/.\n" +
			"Blocks that nothing refers to any more are given back in the background. In a bucket that\n" +
			"keeps deleted objects (`ashlar bucket set`) they go to the trash first, and rm tells until\n" +
			"when.",
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
	if done.Deleted > 0 || done.Failed == 0 {
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
		return removeBelow(ctx, a, c, o, done)
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

// removeBelow deletes in pages; what is gone already counts as done.
func removeBelow(ctx context.Context, a *app.App, c *client.Client, o place.Object, done *removal) error {
	prefix := o.Key
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	before := done.Deleted
	var page []string
	flush := func() error {
		err := removePage(ctx, a, c, o.Bucket, page, done)
		page = page[:0]
		return err
	}
	for e, err := range c.List(ctx, o.Bucket, client.WithPrefix(prefix)) {
		if err != nil {
			return err
		}
		if page = append(page, e.Name); len(page) == protocol.MaxDeleteBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if done.Deleted == before {
		return protocol.Errorf(protocol.NotFound, "no object begins with %s", terminal.Safe(o.Bucket+"/"+prefix))
	}
	return nil
}

func removePage(ctx context.Context, a *app.App, c *client.Client, bucket string, names []string, done *removal) error {
	var due time.Time
	outcomes, err := c.DeleteBatch(ctx, bucket, names, client.WithTrashDue(&due))
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
	done.add(removed, due)
	return err
}
