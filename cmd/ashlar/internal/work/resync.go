package work

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const classRedundancy = 1

// Resync makes `ashlar resync`.
func Resync(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resync",
		Short: "Show and steer the work on single blocks",
		Long: "The leader copies blocks that lack copies, and deletes what is dead, in classes: redundancy,\n" +
			"move, delete, condemn, reap, scrub. What fails is tried again after a while; resync shows why,\n" +
			"and ends the waiting.",
	}
	cmd.AddCommand(resyncList(a), resyncRetry(a), resyncPause(a, "pause", "Stop a class of work; redundancy by default"),
		resyncPause(a, "resume", "Let a class of work go on; redundancy by default"))
	return cmd
}

func resyncList(a *app.App) *cobra.Command {
	var class string
	var limit uint32
	var failed bool
	cmd := &cobra.Command{
		Use: "list", Short: "List scheduled work: what, how often it failed, why, when it is due", Args: cobra.NoArgs,
		Example: "  ashlar resync list --failed\n  ashlar resync list --class delete",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := &pb.WorkListRequest{Limit: limit, Failed: failed}
			if class != "" {
				n, err := report.ParseClass(class)
				if err != nil {
					return err
				}
				q.Class = n
			}
			return list(cmd.Context(), a, q)
		},
	}
	cmd.Flags().StringVar(&class, "class", "", "only this `class`")
	cmd.Flags().Uint32Var(&limit, "limit", 0, "list this many `rows`, at most (default: the server's, 100)")
	cmd.Flags().BoolVar(&failed, "failed", false, "only what has failed before")
	return cmd
}

func list(ctx context.Context, a *app.App, q *pb.WorkListRequest) error {
	ans := &pb.WorkListAnswer{}
	if err := ask(ctx, a, protocol.PathWorkList, q, ans); err != nil {
		return err
	}
	work := report.WorkOf(ans.GetRows())
	if a.Screen.JSON {
		return a.Screen.Document(map[string]any{"rows": work, "more": ans.GetMore(), "settings": report.WorkSettingsOf(ans.GetSettings())})
	}
	rows := [][]string{{"CLASS", "LANE", "HASH", "STATE", "DETAIL"}}
	for _, w := range work {
		rows = append(rows, []string{w.Class, fmt.Sprint(w.Lane), w.Hash, state(w, time.Now()), w.Detail})
	}
	if err := a.Screen.Table(rows); err != nil {
		return err
	}
	if ans.GetMore() {
		a.Screen.Notef("there is more (--limit)")
	}
	return nil
}

func resyncRetry(a *app.App) *cobra.Command {
	var class string
	cmd := &cobra.Command{
		Use: "retry [HASH]", Short: "Make postponed work due at once: of one block, or the first of a class", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := report.ParseClass(class)
			if err != nil {
				return err
			}
			q := &pb.WorkRetryRequest{Class: n}
			if len(args) > 0 {
				hash, err := protocol.ParseHash(args[0])
				if err != nil {
					return err
				}
				q.Hash = hash[:]
			}
			return retry(cmd.Context(), a, q)
		},
	}
	cmd.Flags().StringVar(&class, "class", "redundancy", "the `class` of the work")
	return cmd
}

func resyncPause(a *app.App, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " [CLASS...]", Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			mask := uint32(0)
			for _, word := range args {
				n, err := report.ParseClass(word)
				if err != nil {
					return err
				}
				mask |= 1 << n
			}
			if len(args) == 0 {
				mask = 1 << classRedundancy
			}
			q := &pb.WorkSetRequest{Pause: mask}
			if verb == "resume" {
				q = &pb.WorkSetRequest{Resume: mask}
			}
			return set(cmd.Context(), a, q)
		},
	}
}
