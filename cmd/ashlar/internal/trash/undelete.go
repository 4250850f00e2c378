package trash

import (
	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/place"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Undelete makes `ashlar undelete`.
func Undelete(a *app.App) *cobra.Command {
	var version, ifVersion string
	var replace bool
	cmd := &cobra.Command{
		Use:   "undelete BUCKET/KEY",
		Short: "Bring an object back out of the trash",
		Long: "undelete makes an object that was deleted or overwritten the live one of its name again, with\n" +
			"its content, type and metadata, at a new version. Without --version it is the one that ended\n" +
			"last; `ashlar ls --deleted` lists what there is. An object that lives under the name is left\n" +
			"alone, unless --replace or --if-version is given: then it goes to the trash in turn.",
		Example: "  ashlar undelete docs/notes.txt\n  ashlar undelete docs/notes.txt --version 1.204 --replace",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := place.ParseObject(args[0])
			if err != nil {
				return err
			}
			opts, err := undeleteOptions(version, ifVersion, replace)
			if err != nil {
				return err
			}
			return withClient(cmd, a, func(c *client.Client) error {
				done, err := c.Undelete(cmd.Context(), o.Bucket, o.Key, opts...)
				if err != nil {
					return err
				}
				return printUndeleted(a, o, done)
			})
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "the `version` that it had (default: the newest in the trash)")
	cmd.Flags().StringVar(&ifVersion, "if-version", "", "replace the live object if it is this `version`")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a live object of that name")
	cmd.MarkFlagsMutuallyExclusive("replace", "if-version")
	return cmd
}

func undeleteOptions(version, ifVersion string, replace bool) (opts []client.Option, err error) {
	for _, o := range []struct {
		text   string
		option func(client.Version) client.Option
	}{{version, client.Trashed}, {ifVersion, client.IfVersion}} {
		if o.text == "" {
			continue
		}
		v, err := protocol.ParseVersion(o.text)
		if err != nil {
			return nil, err
		}
		opts = append(opts, o.option(v))
	}
	if replace {
		opts = append(opts, client.Replacing())
	}
	return opts, nil
}

func printUndeleted(a *app.App, o place.Object, u client.Undeleted) error {
	if a.Screen.JSON {
		return a.Screen.Document(report.UndeletedOf(o.Bucket, o.Key, u))
	}
	a.Screen.Printf("%s is back, at version %s (it was %s)\n", terminal.Safe(o.String()), u.Version, u.Was)
	if !u.Replaced.IsZero() {
		a.Screen.Printf("it replaced version %s\n", u.Replaced)
	}
	return nil
}
