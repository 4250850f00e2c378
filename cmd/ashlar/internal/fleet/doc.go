// Package fleet is the operator's commands about blockservers, the layout, and the
// jobs that move blocks: `ashlar node`, `ashlar layout` and `ashlar job`.
//
// Every change of what is placed where is planned first. `layout apply` takes the
// version that a plan was made at and does nothing if the layout has moved on;
// `node drain` and `node cancel-drain` plan and apply in one, since there is
// nothing to choose.
//
// Invariants. Complete means verified: a drain is done when the log counts no copy
// on the node and no delete that it owes, and what is printed of it is that. What
// waits names what it waits for. Speeds and times left are the leader's
// measurements and are left out while there are none.
package fleet

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client/admin"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// with runs fn with the operator's side of a client of the cluster.
func with(ctx context.Context, a *app.App, fn func(context.Context, *admin.Client) error) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return fn(ctx, admin.New(c))
}

// verb makes a command that takes one node's number.
func verb(a *app.App, use, short string, fn func(context.Context, *admin.Client, uint32) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			node, err := parseNode(args[0])
			if err != nil {
				return err
			}
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error { return fn(ctx, c, node) })
		},
	}
}

func parseNode(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return 0, protocol.Errorf(protocol.InvalidArgument, "a node is named by its number, as `ashlar node list` shows it, not %s", protocol.Quote(text))
	}
	return uint32(n), nil
}

// Progress prints how far a job is: blocks, bytes, speed, time left. What a delete
// of a prefix has come to is in what it is about.
func Progress(j report.Job) string {
	if j.Kind == "delete" {
		return dash(j.About)
	}
	text := fmt.Sprintf("%d blocks left", j.BlocksLeft)
	if j.BlocksTotal > 0 {
		text = fmt.Sprintf("%d of %d blocks, %d left", j.BlocksDone, j.BlocksTotal, j.BlocksLeft)
	}
	if j.BytesLeft > 0 {
		text += ", " + terminal.Bytes(j.BytesLeft) + " to move"
	}
	if j.BytesPerSecond > 0 {
		text += ", " + terminal.Bytes(j.BytesPerSecond) + "/s"
	}
	if j.ETASeconds > 0 {
		text += ", about " + (time.Duration(j.ETASeconds) * time.Second).String()
	}
	return text
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return terminal.Safe(text)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func at(unixMs int64) string {
	if unixMs == 0 {
		return "-"
	}
	return time.UnixMilli(unixMs).UTC().Format(time.RFC3339)
}
