package trash

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
)

// tablePage is how many rows List lays out together.
const tablePage = 1000

// Trash makes `ashlar trash`.
func Trash(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trash",
		Short: "Let go of what buckets keep",
		Long: "A bucket that was told so by `ashlar bucket set` keeps deleted and overwritten objects. The\n" +
			"leader takes them out of the trash when they are due. `ashlar ls --deleted` lists them.",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "empty BUCKET[/PREFIX]",
		Short: "Take objects out of the trash for good, due or not",
		Long: "empty goes through the trash of a bucket, or through the names in it that begin with PREFIX.\n" +
			"What it takes out cannot be undeleted; its blocks are given back in the background.",
		Example: "  ashlar trash empty docs\n  ashlar trash empty docs/2024/",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := place.ParsePrefix(args[0])
			if err != nil {
				return err
			}
			return withClient(cmd, a, func(c *client.Client) error { return empty(cmd.Context(), a, c, o) })
		},
	})
	return cmd
}

func empty(ctx context.Context, a *app.App, c *client.Client, o place.Object) error {
	done, err := c.EmptyTrash(ctx, o.Bucket, client.WithPrefix(o.Key))
	if err != nil {
		if done.Objects > 0 {
			a.Screen.Notef("ashlar: %d objects are gone already", done.Objects)
		}
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Document(report.EmptiedOf(done))
	}
	objects := "objects"
	if done.Objects == 1 {
		objects = "object"
	}
	a.Screen.Printf("%d %s of %s taken out of the trash\n", done.Objects, objects, terminal.Bytes(uint64(done.Bytes)))
	return nil
}

// List prints what is in the trash under a name, or which buckets have some. Long
// tells size, times and version.
func List(ctx context.Context, a *app.App, c *client.Client, o place.Object, long bool) error {
	var rows [][]string
	for d, err := range c.ListDeleted(ctx, o.Bucket, client.WithPrefix(o.Key)) {
		if err != nil {
			return err
		}
		if a.Screen.JSON {
			if err := record(a, d); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, row(d, long))
		if len(rows) == tablePage {
			if err := a.Screen.Table(rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return a.Screen.Table(rows)
}

// record prints a bucket as {"prefix": ...} and an object as itself.
func record(a *app.App, d client.DeletedObject) error {
	if d.Prefix != "" {
		return a.Screen.Record(map[string]string{"prefix": d.Prefix})
	}
	return a.Screen.Record(d)
}

func row(d client.DeletedObject, long bool) []string {
	switch {
	case d.Prefix != "":
		return []string{terminal.Safe(d.Prefix)}
	case !long:
		return []string{terminal.Safe(d.Name), d.Version.String(), d.Cause, "until " + local(d.Due)}
	}
	return []string{
		terminal.Bytes(uint64(d.Size)), d.Version.String(), d.Cause, local(d.Deleted), "until " + local(d.Due), terminal.Safe(d.Name),
	}
}

func local(t time.Time) string { return t.Local().Format(time.DateTime) }
