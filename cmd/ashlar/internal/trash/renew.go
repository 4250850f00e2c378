package trash

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
)

func bucketRenew(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "renew BUCKET/[PREFIX]",
		Short: "Have what is in a bucket ask for as many copies as the bucket does now",
		Long: "renew goes through the objects of a bucket, or through those that begin with PREFIX, and puts\n" +
			"each that asks for another number of copies than its bucket again, as it is, at a new version.\n" +
			"Blocks that have enough copies are neither read nor sent. What an object was ends as it does\n" +
			"when it is overwritten: in a bucket with trash it stays there, and its blocks keep their copies,\n" +
			"until its time has come. Objects that are replaced meanwhile are left to who replaces them.\n\n" +
			"It may be ended at any time, and be run again: what is done stays done.",
		Example: "  ashlar bucket set ledger --copies 5\n  ashlar bucket renew ledger/",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := place.ParsePrefix(args[0])
			if err != nil {
				return err
			}
			return withClient(cmd, a, func(c *client.Client) error { return renew(cmd.Context(), a, c, o) })
		},
	}
}

func renew(ctx context.Context, a *app.App, c *client.Client, o place.Object) error {
	var done report.Renewed
	p := a.Screen.Progress("renew "+o.String(), 0)
	defer p.Done()
	for e, err := range c.List(ctx, o.Bucket, client.WithPrefix(o.Key)) {
		if err == nil {
			p.Grow(e.Size)
			err = renewOne(ctx, c, e.Object, &done)
			p.Add(int(e.Size))
		}
		if err != nil {
			a.Screen.Notef("ashlar: %d of the %d objects looked at are renewed", done.Renewed, done.Seen)
			return err
		}
	}
	if a.Screen.JSON {
		return a.Screen.Document(done)
	}
	a.Screen.Printf("%d of %d objects renewed\n", done.Renewed, done.Seen)
	return nil
}

func renewOne(ctx context.Context, c *client.Client, o client.Object, done *report.Renewed) error {
	renewed, err := c.Renew(ctx, o.Bucket, o.Name)
	switch {
	case errors.Is(err, client.ErrNotFound) || errors.Is(err, client.ErrPreconditionFailed):
		// It was deleted or replaced by somebody, who knew what the bucket asks for.
		return nil
	case err != nil:
		return err
	}
	done.Seen++
	if o.Version.Less(renewed.Version) {
		done.Renewed++
		done.Bytes += renewed.Size
	}
	return nil
}
