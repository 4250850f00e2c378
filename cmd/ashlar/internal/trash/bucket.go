package trash

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const day = 24 * time.Hour

// Bucket makes `ashlar bucket`.
func Bucket(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bucket",
		Short: "Show and change what a bucket keeps, and in how many copies",
		Long: "A bucket comes about with its first object. Its settings may be made before, and stay when\n" +
			"it is empty.",
	}
	cmd.AddCommand(bucketSet(a), bucketRenew(a), &cobra.Command{
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

// settingFlags are those of `ashlar bucket set`, as they were written.
type settingFlags struct{ keep, copies, ifVersion string }

func bucketSet(a *app.App) *cobra.Command {
	var f settingFlags
	cmd := &cobra.Command{
		Use:   "set BUCKET [--trash TIME|off] [--copies N|default]",
		Short: "Change what a bucket keeps, and in how many copies",
		Long: "set changes what is said with a flag and leaves the rest.\n\n" +
			"--trash is about objects that end from now on. What is in the trash already stays for as long\n" +
			"as it was to stay; `ashlar trash empty` lets go of it earlier.\n\n" +
			"--copies is about objects that are put from now on: each of their blocks has so many copies,\n" +
			"on as many blockservers. Objects that are there keep what they were put with, until\n" +
			"`ashlar bucket renew`. A block that several objects share has as many copies as the most\n" +
			"demanding of them wants.",
		Example: "  ashlar bucket set docs --trash 7d\n  ashlar bucket set docs --trash off\n" +
			"  ashlar bucket set cache --copies 1\n  ashlar bucket set ledger --copies 5 --trash 30d\n  ashlar bucket set ledger --copies default",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, opts, err := f.read(cmd)
			if err != nil {
				return err
			}
			return withClient(cmd, a, func(c *client.Client) error {
				b, err := c.SetBucket(cmd.Context(), strings.TrimSuffix(args[0], "/"), change, opts...)
				if err != nil {
					return err
				}
				if change.Redundancy != nil {
					warnOfFewNodes(cmd.Context(), a, c, b.Redundancy)
				}
				return printBucket(a, b)
			})
		},
	}
	cmd.Flags().StringVar(&f.keep, "trash", "", "keep what ends for this `time`, as in 7d or 36h, or off")
	cmd.Flags().StringVar(&f.copies, "copies", "", fmt.Sprintf("keep this `number` of copies of what comes, 1 to %d, or default for the cluster's", protocol.MaxRedundancy))
	cmd.Flags().StringVar(&f.ifVersion, "if-version", "", "only if the settings still are of this `version`, as bucket show tells it; 0.0 where it tells none")
	return cmd
}

// read reads what was given, on the command line or, not empty, in another place.
func (f settingFlags) read(cmd *cobra.Command) (change client.BucketChange, opts []client.Option, err error) {
	if f.keep != "" || cmd.Flags().Changed("trash") {
		keep, err := parseKeep(f.keep)
		if err != nil {
			return change, nil, err
		}
		change.TrashKeep = &keep
	}
	if f.copies != "" || cmd.Flags().Changed("copies") {
		copies, err := parseCopies(f.copies)
		if err != nil {
			return change, nil, err
		}
		change.Redundancy = &copies
	}
	if change == (client.BucketChange{}) {
		return change, nil, protocol.Errorf(protocol.InvalidArgument, "nothing is to change: say --trash or --copies")
	}
	if f.ifVersion != "" {
		v, err := protocol.ParseVersion(f.ifVersion)
		if err != nil {
			return change, nil, err
		}
		opts = append(opts, client.IfVersion(v))
	}
	return change, opts, nil
}

// warnOfFewNodes tells if there are not as many blockservers as copies are to be.
// Who does not answer says nothing about the settings, which are made.
func warnOfFewNodes(ctx context.Context, a *app.App, c *client.Client, copies int) {
	s, err := c.Status(ctx)
	if err != nil {
		return
	}
	nodes := 0
	for _, n := range s.GetNodes() {
		switch n.GetState() {
		case pb.NodeState_NODE_STATE_JOINING, pb.NodeState_NODE_STATE_DRAINING, pb.NodeState_NODE_STATE_DRAINED, pb.NodeState_NODE_STATE_REMOVED:
		default:
			nodes++
		}
	}
	if nodes < copies {
		a.Screen.Notef("ashlar: warning: %d copies want as many blockservers, and there are %d; the others are made when more join", copies, nodes)
	}
}

// parseCopies reads a number of copies, or default, which is 0.
func parseCopies(text string) (int, error) {
	if text == "default" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > protocol.MaxRedundancy {
		return 0, protocol.Errorf(protocol.InvalidArgument, "--copies is a number from 1 to %d, or default, not %s", protocol.MaxRedundancy, protocol.Quote(text))
	}
	return n, nil
}

// copiesText is what parseCopies reads.
func copiesText(n int) string {
	if n == 0 {
		return "default"
	}
	return strconv.Itoa(n)
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
	rows := [][]string{{"bucket", b.Name}, {"trash", keepText(b.TrashKeep)}, {"copies", copiesText(b.Redundancy)}}
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
