package fleet

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client/admin"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Layout makes `ashlar layout`.
func Layout(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "layout",
		Short: "Show, plan and change which node holds what",
		Long: "The layout gives each of 4,096 partitions of all hashes its nodes, in as many zones as there are.\n" +
			"A change is planned, looked at, and applied at the version that it was planned on; blocks then move\n" +
			"behind reads and writes, and every step leaves them with enough copies.",
	}
	cmd.AddCommand(layoutShow(a), layoutPlan(a), layoutApply(a), layoutHistory(a))
	return cmd
}

func layoutShow(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the present layout: its version and each node's share", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error {
				layouts, err := c.Layouts(ctx)
				if err != nil {
					return err
				}
				list, err := c.Nodes(ctx, false, false)
				if err != nil {
					return err
				}
				return printLayout(a, report.LayoutsOf(layouts), report.NodesOf(list))
			})
		},
	}
}

func printLayout(a *app.App, layouts []report.Layout, nodes []report.Node) error {
	if len(layouts) == 0 {
		return protocol.Errorf(protocol.LayoutUnready, "there is no layout yet")
	}
	moving := 0
	for _, l := range layouts {
		if l.State == "moving" {
			moving++
		}
	}
	if a.Screen.JSON {
		return a.Screen.Document(map[string]any{"layout": layouts[0], "moving_layouts": moving, "nodes": nodes})
	}
	a.Screen.Printf("layout version %d, since %s: %s\n", layouts[0].LayoutVersion, at(layouts[0].AppliedUnixMs), dash(layouts[0].Reason))
	if moving > 0 {
		a.Screen.Printf("blocks still stand by %d older layouts; `ashlar job list` shows how they move\n", moving)
	}
	rows := [][]string{{"NODE", "ZONE", "STATE", "WEIGHT", "PLACES", "COPIES", "COMMITTED", "CAPACITY"}}
	for _, n := range nodes {
		weight := "capacity"
		if n.Weight > 0 {
			weight = fmt.Sprint(n.Weight)
		}
		rows = append(rows, []string{
			fmt.Sprint(n.Node), dash(n.Zone), StateOf(n), weight, fmt.Sprint(n.Places), fmt.Sprint(n.Copies),
			terminal.Bytes(n.CommittedBytes), terminal.Bytes(n.CapacityBytes),
		})
	}
	return a.Screen.Table(rows)
}

func layoutPlan(a *app.App) *cobra.Command {
	var ch changes
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what a change would do, and change nothing", Args: cobra.NoArgs,
		Long: "plan shows each node before and after, what moves, and what an operator should know first. Without\n" +
			"changes it plans to balance the nodes anew.",
		Example: "  ashlar layout plan --add 5 --add 6\n  ashlar layout plan --drain 2 --weight 3=2048 --zone 4=rack2",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ch.list()
			if err != nil {
				return err
			}
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error {
				plan, err := c.Plan(ctx, list)
				if err != nil {
					return err
				}
				return printLayoutPlan(a, report.LayoutPlanOf(plan), ch.flags())
			})
		},
	}
	ch.bind(cmd)
	return cmd
}

func printLayoutPlan(a *app.App, p report.LayoutPlan, flags string) error {
	if a.Screen.JSON {
		return a.Screen.Document(p)
	}
	rows := [][]string{{"NODE", "ZONE", "CAPACITY", "PLACES", "AFTER", "BYTES", "AFTER"}}
	for _, s := range p.Shares {
		rows = append(rows, []string{
			fmt.Sprint(s.Node), dash(s.Zone), terminal.Bytes(s.CapacityBytes), fmt.Sprint(s.PlacesBefore), fmt.Sprint(s.PlacesAfter),
			terminal.Bytes(s.BytesBefore), terminal.Bytes(s.BytesAfter),
		})
	}
	if err := a.Screen.Table(rows); err != nil {
		return err
	}
	a.Screen.Printf("\nmoves %d of %d places (at least %d must), about %d blocks, %s\n",
		p.MovedPlaces, protocol.Partitions*p.Redundancy, p.LeastPlaces, p.MovedBlocks, terminal.Bytes(p.MovedBytes))
	for _, r := range p.Risks {
		a.Screen.Printf("note: %s\n", r)
	}
	a.Screen.Printf("\nashlar layout apply --if-version %d%s\n", p.LayoutVersion, flags)
	return nil
}

func layoutApply(a *app.App) *cobra.Command {
	var ch changes
	var at uint64
	var reason string
	cmd := &cobra.Command{
		Use: "apply --if-version V", Short: "Change the layout as a plan showed it", Args: cobra.NoArgs,
		Long: "apply does what `ashlar layout plan` showed with the same changes, at the version that it printed. If\n" +
			"the layout has moved on since, it changes nothing and exits with 4: plan again.",
		Example: "  ashlar layout apply --if-version 7 --add 5 --add 6 --reason \"rack 2\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ch.list()
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("if-version") {
				return protocol.Errorf(protocol.InvalidArgument, "--if-version is required: the version that `ashlar layout plan` printed")
			}
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error {
				plan, err := c.Plan(ctx, list)
				if err != nil {
					return err
				}
				if plan.GetLayoutVersion() != at {
					return protocol.Errorf(protocol.Changed, "the layout is at version %d, not %d: something moved on since the plan, and nothing was changed; plan again", plan.GetLayoutVersion(), at)
				}
				return apply(ctx, a, c, plan, reason)
			})
		},
	}
	ch.bind(cmd)
	cmd.Flags().Uint64Var(&at, "if-version", 0, "the layout `version` that the plan printed")
	cmd.Flags().StringVar(&reason, "reason", "", "`text` for the history")
	return cmd
}

// change plans and applies in one.
func change(ctx context.Context, a *app.App, c *admin.Client, list []*pb.NodeChange, reason string) error {
	plan, err := c.Plan(ctx, list)
	if err != nil {
		return err
	}
	return apply(ctx, a, c, plan, reason)
}

func apply(ctx context.Context, a *app.App, c *admin.Client, plan *pb.LayoutPlanAnswer, reason string) error {
	ans, err := c.Apply(ctx, plan, reason)
	if err != nil {
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Document(map[string]any{"layout_version": ans.GetLayoutVersion(), "sweep": ans.GetSweep()})
	}
	a.Screen.Printf("layout version %d is in effect\n", ans.GetLayoutVersion())
	if ans.GetSweep() > 0 {
		a.Screen.Printf("about %d blocks move, %s; `ashlar job show sweep-%d` tells how far that is\n",
			plan.GetMovedBlocks(), terminal.Bytes(plan.GetMovedBytes()), ans.GetSweep())
	}
	return nil
}

func layoutHistory(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "history", Short: "List the layouts that are known, newest first", Args: cobra.NoArgs,
		Long: "A layout is retired when no block stands by it any more.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error {
				list, err := c.Layouts(ctx)
				if err != nil {
					return err
				}
				layouts := report.LayoutsOf(list)
				if a.Screen.JSON {
					return a.Screen.Document(layouts)
				}
				rows := [][]string{{"VERSION", "STATE", "APPLIED", "CHANGES", "REASON"}}
				for _, l := range layouts {
					rows = append(rows, []string{fmt.Sprint(l.LayoutVersion), l.State, at(l.AppliedUnixMs), dash(words(l.Changes)), dash(l.Reason)})
				}
				return a.Screen.Table(rows)
			})
		},
	}
}
