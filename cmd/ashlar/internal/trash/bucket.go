package trash

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const day = 24 * time.Hour

// Bucket makes `ashlar bucket`.
func Bucket(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bucket",
		Short: "Show and change what a bucket keeps",
		Long: "A bucket comes about with its first object. Its settings may be made before, and stay when\n" +
			"it is empty.",
	}
	cmd.AddCommand(bucketSet(a), &cobra.Command{
		Use: "show BUCKET", Short: "Tell the settings of a bucket", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withClient(cmd, a, func(c *client.Client) error {
				b, err := c.Bucket(cmd.Context(), strings.TrimSuffix(args[0], "/"))
				if err != nil {
					return err
				}
				return printBucket(a, b)
			})
		},
	})
	return cmd
}

func bucketSet(a *app.App) *cobra.Command {
	var keep, ifVersion string
	cmd := &cobra.Command{
		Use:   "set BUCKET --trash TIME|off",
		Short: "Have a bucket keep what is deleted and overwritten for a while",
		Long: "set changes what holds for objects that end from now on. What is in the trash already stays\n" +
			"for as long as it was to stay; `ashlar trash empty` lets go of it earlier.",
		Example: "  ashlar bucket set docs --trash 7d\n  ashlar bucket set docs --trash off",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := parseKeep(keep)
			if err != nil {
				return err
			}
			var opts []client.Option
			if ifVersion != "" {
				v, err := protocol.ParseVersion(ifVersion)
				if err != nil {
					return err
				}
				opts = append(opts, client.IfVersion(v))
			}
			return withClient(cmd, a, func(c *client.Client) error {
				b, err := c.SetBucket(cmd.Context(), strings.TrimSuffix(args[0], "/"), d, opts...)
				if err != nil {
					return err
				}
				return printBucket(a, b)
			})
		},
	}
	cmd.Flags().StringVar(&keep, "trash", "", "keep what ends for this `time`, as in 7d or 36h, or off")
	cmd.Flags().StringVar(&ifVersion, "if-version", "", "only if the settings still are of this `version`; 0.0 for none")
	_ = cmd.MarkFlagRequired("trash") // fails only for a flag that is not there
	return cmd
}

// parseKeep reads off, days as in 7d, or a time as Go writes it.
func parseKeep(text string) (time.Duration, error) {
	if text == "off" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		const most = int64(protocol.MaxTrashKeepMs) / int64(day/time.Millisecond)
		if n, err := strconv.ParseInt(days, 10, 64); err == nil && n > 0 && n <= most {
			return time.Duration(n) * day, nil
		}
		return 0, protocol.Errorf(protocol.InvalidArgument, "--trash %s: days are a whole number from 1 to %d", protocol.Quote(text), most)
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, protocol.Errorf(protocol.InvalidArgument, "--trash is a time as in 7d, 36h or 90m, or off, not %s", protocol.Quote(text))
	}
	return d, nil
}

// keepText is what parseKeep reads: days where they are whole.
func keepText(d time.Duration) string {
	switch {
	case d == 0:
		return "off"
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return d.String()
}

func printBucket(a *app.App, b client.Bucket) error {
	if a.Screen.JSON {
		return a.Screen.Document(report.BucketOf(b))
	}
	rows := [][]string{{"bucket", b.Name}, {"trash", keepText(b.TrashKeep)}}
	if !b.Version.IsZero() {
		rows = append(rows, []string{"version", b.Version.String()})
	}
	return a.Screen.Table(rows)
}

// withClient opens a client for one command.
func withClient(cmd *cobra.Command, a *app.App, fn func(*client.Client) error) error {
	c, err := a.Open(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	return fn(c)
}
