package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/trash"
)

// tablePage is how many rows ls lays out together, so that a long listing is
// printed while it comes.
const tablePage = 1000

type lsFlags struct {
	recursive bool
	long      bool
	deleted   bool
}

func lsCommand(a *app.App) *cobra.Command {
	var f lsFlags
	cmd := &cobra.Command{
		Use:   "ls [BUCKET[/PREFIX]]",
		Short: "List buckets, or what is in one",
		Long: "ls lists buckets, or the objects of one whose names begin with PREFIX, in the order of\n" +
			"bytes. Names are cut at \"/\" unless -r is given. With -o json: one object a line.\n\n" +
			"With --deleted it lists what is in the trash: the buckets that have some, or of one bucket\n" +
			"every name below PREFIX, the newest of a name first, with its version, why it ended and when\n" +
			"it is to go.",
		Example: "  ashlar ls\n  ashlar ls -l docs/\n  ashlar ls -r src/go/ -o json\n  ashlar ls --deleted docs/",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return f.list(cmd.Context(), a, place.Object{})
			}
			o, err := place.ParsePrefix(args[0])
			if err != nil {
				return err
			}
			return f.list(cmd.Context(), a, o)
		},
	}
	cmd.Flags().BoolVarP(&f.recursive, "recursive", "r", false, "list all names below the prefix")
	cmd.Flags().BoolVar(&f.deleted, "deleted", false, "list what is in the trash")
	cmd.Flags().BoolVarP(&f.long, "long", "l", false, "tell size, time and version")
	return cmd
}

func (f *lsFlags) list(ctx context.Context, a *app.App, o place.Object) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if f.deleted {
		return trash.List(ctx, a, c, o, f.long)
	}
	opts := []client.Option{client.WithPrefix(o.Key)}
	if !f.recursive && o.Bucket != "" {
		opts = append(opts, client.WithDelimiter("/"))
	}
	var rows [][]string
	for entry, err := range c.List(ctx, o.Bucket, opts...) {
		if err != nil {
			return err
		}
		if a.Screen.JSON {
			if err := f.record(a, entry); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, f.row(entry))
		if len(rows) == tablePage {
			if err := a.Screen.Table(rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return a.Screen.Table(rows)
}

// record prints a prefix as {"prefix": ...} and an object as itself.
func (f *lsFlags) record(a *app.App, e client.Entry) error {
	if e.IsPrefix() {
		return a.Screen.Record(map[string]string{"prefix": e.Prefix})
	}
	return a.Screen.Record(e.Object)
}

func (f *lsFlags) row(e client.Entry) []string {
	name := terminal.Safe(e.Key())
	switch {
	case !f.long:
		return []string{name}
	case e.IsPrefix():
		return []string{"-", "-", "-", name}
	}
	return []string{terminal.Bytes(uint64(e.Size)), e.Modified.Local().Format(time.DateTime), e.Version.String(), name}
}
