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
)

// Node makes `ashlar node`.
func Node(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Show blockservers; drain, maintain and remove them",
		Long: "A blockserver joins, is up, and may be down, in maintenance, draining, drained, or removed. Down,\n" +
			"up and drained follow from what the leader sees; the rest is an operator's word. See also\n" +
			"`ashlar layout`, which adds nodes that join a cluster with data.",
	}
	cmd.AddCommand(
		nodeList(a),
		verb(a, "show N", "Show all that is known of a node", func(ctx context.Context, c *admin.Client, n uint32) error { return nodeShow(ctx, a, c, n) }),
		nodeDrain(a),
		verb(a, "cancel-drain N", "Let a draining or drained node take copies again", func(ctx context.Context, c *admin.Client, n uint32) error {
			return cancelDrain(ctx, a, c, n)
		}),
		nodeMaintenance(a), nodeRemove(a), mayStop(a), nodeSettings(a),
	)
	return cmd
}

func nodeList(a *app.App) *cobra.Command {
	var removed, stale bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the nodes: state, what is committed and used, what they wait for", Args: cobra.NoArgs,
		Long: "COMMITTED is what the log counts on the node, exact for what is committed; USED and FREE are what\n" +
			"the node says, files included that are on their way in or out.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd.Context(), a, func(ctx context.Context, c *admin.Client) error {
				list, err := c.Nodes(ctx, stale, removed)
				if err != nil {
					return err
				}
				if stale && !a.Screen.JSON {
					a.Screen.Notef("any metaserver may have answered: ANSWERS, USED and FREE count only if it leads")
				}
				return printNodes(a, report.NodesOf(list))
			})
		},
	}
	cmd.Flags().BoolVar(&removed, "removed", false, "list removed nodes too")
	cmd.Flags().BoolVar(&stale, "stale", false, "let any metaserver answer with what it has")
	return cmd
}

func printNodes(a *app.App, nodes []report.Node) error {
	if a.Screen.JSON {
		return a.Screen.Document(nodes)
	}
	rows := [][]string{{"NODE", "ADDRESS", "ZONE", "STATE", "ANSWERS", "COPIES", "COMMITTED", "USED", "FREE", "CAPACITY", "WAITS FOR"}}
	for _, n := range nodes {
		rows = append(rows, []string{
			fmt.Sprint(n.Node), n.Address, dash(n.Zone), StateOf(n), yes(n.Answers), fmt.Sprint(n.Copies), terminal.Bytes(n.CommittedBytes),
			terminal.Bytes(n.UsedBytes), terminal.Bytes(n.FreeBytes), terminal.Bytes(n.CapacityBytes), dash(n.WaitsFor),
		})
	}
	return a.Screen.Table(rows)
}

// StateOf is a node's state in words, with what qualifies it.
func StateOf(n report.Node) string {
	switch {
	case n.Away:
		return n.State + " (away)"
	case n.Full:
		return n.State + " (full)"
	case n.Suspect:
		return n.State + " (suspect)"
	}
	return n.State
}

// find returns one node's description.
func find(ctx context.Context, c *admin.Client, node uint32) (report.Node, error) {
	list, err := c.Nodes(ctx, false, true)
	if err != nil {
		return report.Node{}, err
	}
	for _, n := range report.NodesOf(list) {
		if n.Node == node {
			return n, nil
		}
	}
	return report.Node{}, protocol.Errorf(protocol.NotFound, "no node has number %d; `ashlar node list` shows those there are", node)
}

func nodeShow(ctx context.Context, a *app.App, c *admin.Client, node uint32) error {
	n, err := find(ctx, c, node)
	if err != nil {
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Document(n)
	}
	weight := "by capacity"
	if n.Weight > 0 {
		weight = fmt.Sprintf("%d, as if it had so many GiB", n.Weight)
	}
	rows := [][]string{
		{"node", fmt.Sprintf("%d at %s", n.Node, n.Address)},
		{"zone", dash(n.Zone)},
		{"state", fmt.Sprintf("%s since %s", StateOf(n), at(n.StateSinceUnixMs))},
		{"answers", yes(n.Answers)},
		{"weight", weight},
		{"places", fmt.Sprintf("%d of %d partitions", n.Places, protocol.Partitions)},
		{"committed", fmt.Sprintf("%d copies, %s", n.Copies, terminal.Bytes(n.CommittedBytes))},
		{"used", fmt.Sprintf("%s of %s, %s free", terminal.Bytes(n.UsedBytes), terminal.Bytes(n.CapacityBytes), terminal.Bytes(n.FreeBytes))},
		{"owes", fmt.Sprintf("%d deletes to acknowledge", n.OwedDeletes)},
		{"critical", fmt.Sprintf("%d blocks would keep too few copies without it", n.CriticalBlocks)},
	}
	if n.LeftBlocks > 0 {
		rows = append(rows, []string{"left", fmt.Sprintf("%d blocks, %s", n.LeftBlocks, terminal.Bytes(n.LeftBytes))})
	}
	return a.Screen.Table(append(rows, []string{"waits for", dash(n.WaitsFor)}))
}
