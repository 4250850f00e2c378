package cli

import (
	"sort"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
)

func statCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "stat BUCKET/KEY",
		Short:   "Describe an object",
		Example: "  ashlar stat docs/notes.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := place.ParseObject(args[0])
			if err != nil {
				return err
			}
			c, err := a.Open(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			object, err := c.Stat(cmd.Context(), o.Bucket, o.Key)
			if err != nil {
				return err
			}
			if a.Screen.JSON {
				return a.Screen.Document(object)
			}
			return a.Screen.Table(statRows(object))
		},
	}
}

func statRows(o client.Object) [][]string {
	where := "inline"
	if !o.Inline {
		where = plural(o.Blocks, "block")
	}
	rows := [][]string{
		{"name", terminal.Safe(o.Bucket + "/" + o.Name)},
		{"size", plural(o.Size, "byte") + " (" + terminal.Bytes(uint64(o.Size)) + "), " + where},
		{"version", o.Version.String()},
		{"modified", o.Modified.Local().Format(time.RFC3339)},
		{"digest", o.Digest.String()},
	}
	if o.Redundancy != 0 {
		rows = append(rows, []string{"copies", strconv.Itoa(o.Redundancy) + " of each block"})
	}
	if o.ContentType != "" {
		rows = append(rows, []string{"content type", o.ContentType})
	}
	var keys []string
	for k := range o.UserMetadata {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		rows = append(rows, []string{"meta", terminal.Safe(k) + " = " + terminal.Safe(o.UserMetadata[k])})
	}
	return rows
}
