package work

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// The classes of reclamation: delete, condemn, reap; and names, which a restore of
// metadata pauses beside them.
const (
	classDelete  = 3
	classCondemn = 4
	classReap    = 5
	pausedNames  = 7
	reclamation  = 1<<classDelete | 1<<classCondemn | 1<<classReap
)

// GC makes `ashlar gc`.
func GC(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Show and steer the deletion of what nothing refers to",
		Long: "Blocks that nothing refers to are condemned after a while of grace, deleted by every node\n" +
			"that holds them, and forgotten, all by entries in the log. gc shows that work, pauses it,\n" +
			"and lets waiting end early; it cannot make anything unsafe.",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "status", Short: "Count what is dead, and what it waits for", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return gcStatus(cmd.Context(), a) },
		},
		gcPlan(a),
		gcRun(a),
		&cobra.Command{
			Use: "pause", Short: "Stop condemning, deleting and reaping", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return set(cmd.Context(), a, &pb.WorkSetRequest{Pause: reclamation})
			},
		},
		&cobra.Command{
			Use: "resume", Short: "Go on after pause, and after a restore of metadata", Args: cobra.NoArgs,
			Long: "resume ends what pause began. A restore of metadata pauses the same, and names as well: deletes\n" +
				"of prefixes that the backup holds as under way, and the emptying of the trash. See what those are\n" +
				"(`ashlar job list`, `ashlar ls --deleted`), and cancel what should not go on, before you resume.",
			RunE: func(cmd *cobra.Command, _ []string) error {
				return set(cmd.Context(), a, &pb.WorkSetRequest{Resume: reclamation | 1<<pausedNames})
			},
		},
		gcSet(a),
	)
	return cmd
}

// set changes settings and prints what holds now.
func set(ctx context.Context, a *app.App, q *pb.WorkSetRequest) error {
	ans := &pb.WorkSetAnswer{}
	if err := ask(ctx, a, protocol.PathWorkSet, q, ans); err != nil {
		return err
	}
	s := report.WorkSettingsOf(ans.GetSettings())
	if a.Screen.JSON {
		return a.Screen.Document(s)
	}
	return a.Screen.Table(settingsRows(s))
}

func settingsRows(s report.WorkSettings) [][]string {
	paused := "nothing"
	if len(s.Paused) > 0 {
		paused = strings.Join(s.Paused, ", ")
	}
	return [][]string{
		{"paused", paused},
		{"grace", (time.Duration(s.GraceMs) * time.Millisecond).String()},
		{"tranquility", fmt.Sprintf("%d %%", s.TranquilityPercent)},
		{"audit rows", fmt.Sprint(s.AuditKeepRows)},
	}
}

func gcSet(a *app.App) *cobra.Command {
	var grace time.Duration
	var tranquility, orders, audit uint32
	cmd := &cobra.Command{
		Use: "set", Short: "Change grace and pace, at once", Args: cobra.NoArgs,
		Example: "  ashlar gc set --grace 1h --tranquility 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := &pb.WorkSetRequest{}
			if cmd.Flags().Changed("grace") {
				if grace < 0 {
					return protocol.Errorf(protocol.InvalidArgument, "--grace is not negative")
				}
				ms := uint64(grace.Milliseconds())
				q.GraceMs = &ms
			}
			if cmd.Flags().Changed("tranquility") {
				q.TranquilityPercent = &tranquility
			}
			if cmd.Flags().Changed("orders-per-node") {
				q.OrdersPerNode = &orders
			}
			if cmd.Flags().Changed("audit-rows") {
				q.AuditKeepRows = &audit
			}
			return set(cmd.Context(), a, q)
		},
	}
	cmd.Flags().Uint32Var(&audit, "audit-rows", 0, "keep this many `rows` of the audit, at most; 0 is the default")
	cmd.Flags().DurationVar(&grace, "grace", 0, "`time` that a block stays after its last reference ended")
	cmd.Flags().Uint32Var(&tranquility, "tranquility", 0, "rest this `percent` of the time that work took")
	cmd.Flags().Uint32Var(&orders, "orders-per-node", 0, "`orders` that one node is sent at once, at most; 0 is the default")
	return cmd
}

func gcRun(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "End the waiting for grace and for retries, now", Args: cobra.NoArgs,
		Long: "run makes the first blocks that wait for grace, and the first deletions that failed before,\n" +
			"due at once. Run it again for more.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, class := range []uint32{classCondemn, classDelete, classReap} {
				if err := retry(cmd.Context(), a, &pb.WorkRetryRequest{Class: class}); err != nil {
					return err
				}
			}
			a.Screen.Notef("the leader was told; `ashlar gc status` shows how it goes")
			return nil
		},
	}
}

func retry(ctx context.Context, a *app.App, q *pb.WorkRetryRequest) error {
	return ask(ctx, a, protocol.PathWorkRetry, q, &pb.WorkRetryAnswer{})
}

func gcPlan(a *app.App) *cobra.Command {
	var limit uint32
	cmd := &cobra.Command{
		Use: "plan", Short: "Print what the leader would do next: a dry run", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ans := &pb.WorkPlanAnswer{}
			if err := ask(cmd.Context(), a, protocol.PathWorkPlan, &pb.WorkPlanRequest{Limit: limit}, ans); err != nil {
				return err
			}
			p := report.PlanOf(ans)
			if a.Screen.JSON {
				return a.Screen.Document(p)
			}
			return printPlan(a, p)
		},
	}
	cmd.Flags().Uint32Var(&limit, "limit", 0, "list this many `steps`, at most (default: the server's, 100)")
	return cmd
}

func printPlan(a *app.App, p report.Plan) error {
	for _, s := range p.Steps {
		a.Screen.Printf("%s\n", s)
	}
	if p.MoreSteps > 0 {
		a.Screen.Printf("and %d more steps\n", p.MoreSteps)
	}
	if len(p.Steps) == 0 {
		a.Screen.Printf("nothing is to be done now\n")
	}
	return printWaiting(a, p.Waiting)
}

func printWaiting(a *app.App, list []report.Waiting) error {
	if len(list) == 0 {
		return nil
	}
	rows := [][]string{{"WAITING", "LANE", "BLOCKS", "FOR"}}
	for _, w := range list {
		count := fmt.Sprint(w.Count)
		if w.AtLeast {
			count += " or more"
		}
		rows = append(rows, []string{w.Class, fmt.Sprint(w.Lane), count, w.Why})
	}
	return a.Screen.Table(rows)
}

func gcStatus(ctx context.Context, a *app.App) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	list, plan := &pb.WorkListAnswer{}, &pb.WorkPlanAnswer{}
	if err := c.Ask(ctx, protocol.PathWorkList, &pb.WorkListRequest{Limit: 1}, list); err != nil {
		return err
	}
	if err := c.Ask(ctx, protocol.PathWorkPlan, &pb.WorkPlanRequest{}, plan); err != nil {
		return err
	}
	s, settings, p := report.StatusOf(status), report.WorkSettingsOf(list.GetSettings()), report.PlanOf(plan)
	if a.Screen.JSON {
		return a.Screen.Document(map[string]any{
			"counters": s.Counters, "settings": settings, "waiting": p.Waiting, "version": s.Version, "watermark": s.Watermark,
		})
	}
	n := s.Counters
	err = a.Screen.Table(append([][]string{
		{"references", fmt.Sprintf("%d to take back, of %d ended objects", n.UnreferenceLeft, n.UnreferenceJobs)},
		{"unreferenced", fmt.Sprintf("%d blocks, %s", n.UnreferencedBlocks, terminal.Bytes(n.UnreferencedStoredBytes))},
		{"condemned", fmt.Sprintf("%d blocks, %s", n.CondemnedBlocks, terminal.Bytes(n.CondemnedStoredBytes))},
		{"version", s.Version + ", reaped up to " + s.Watermark},
	}, settingsRows(settings)...))
	if err != nil {
		return err
	}
	return printWaiting(a, p.Waiting)
}
