package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
)

func statusCommand(a *app.App) *cobra.Command {
	var stale bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Describe the cluster: members, blockservers, what is kept",
		Long: "status asks the leader. With --stale any metaserver answers with what it has, which also\n" +
			"works while there is no leader.",
		Example: "  ashlar status\n  ashlar status -o json | jq .counters.logical_bytes",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return status(cmd.Context(), a, stale) },
	}
	cmd.Flags().BoolVar(&stale, "stale", false, "let any metaserver answer with what it has")
	return cmd
}

func status(ctx context.Context, a *app.App, stale bool) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var opts []client.Option
	if stale {
		opts = append(opts, client.WithLevel(client.Stale))
	}
	answer, err := c.Status(ctx, opts...)
	if err != nil {
		return err
	}
	s := report.StatusOf(answer)
	if a.Screen.JSON {
		return a.Screen.Document(s)
	}
	return printStatus(a, s)
}

func printStatus(a *app.App, s report.Status) error {
	if s.NotServing != "" {
		a.Screen.Printf("NOT SERVING: %s\n\n", terminal.Safe(s.NotServing))
	}
	n := s.Counters
	if err := a.Screen.Table([][]string{
		{"cluster", s.Cluster},
		{"version", s.Version + ", index " + count(s.AppliedIndex) + ", term " + count(s.Term)},
		{"copies", count(uint64(s.Redundancy)) + " of each block, writes wait for " + count(uint64(s.Quorum))},
		{"objects", count(n.Objects) + ", " + terminal.Bytes(n.LogicalBytes) + " (" + terminal.Bytes(n.InlineBytes) + " inline)"},
		{"blocks", count(n.LiveBlocks) + " live, " + terminal.Bytes(n.StoredBytes) + " stored once, " + terminal.Bytes(n.CopiesStoredBytes) + " over all copies"},
		{"garbage", count(n.UnreferencedBlocks) + " blocks, " + terminal.Bytes(n.UnreferencedStoredBytes) + ", " + count(n.UnreferenceLeft) + " references to take back"},
		{"at risk", count(n.UnderReplicatedBlocks) + " blocks with fewer than " + count(uint64(s.Redundancy)) + " copies"},
	}); err != nil {
		return err
	}
	a.Screen.Printf("\n")
	rows := [][]string{{"METASERVER", "CLIENTS", "RAFT", "ADMIN", "ROLE"}}
	for _, m := range s.Metaservers {
		rows = append(rows, []string{short(m.ID), m.ClientAddress, m.RaftAddress, m.AdminAddress, m.Role})
	}
	if err := a.Screen.Table(rows); err != nil {
		return err
	}
	a.Screen.Printf("\n")
	rows = [][]string{{"BLOCKSERVER", "ADDRESS", "ZONE", "STATE", "ANSWERS", "USED", "CAPACITY"}}
	for _, b := range s.Blockservers {
		rows = append(rows, []string{
			count(uint64(b.Node)), b.Address, dash(b.Zone), b.State, yes(b.Reachable),
			terminal.Bytes(b.UsedBytes), terminal.Bytes(b.CapacityBytes),
		})
	}
	return a.Screen.Table(rows)
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

func short(id string) string {
	const digits = 12
	return id[:min(digits, len(id))]
}

func dash(s string) string {
	if strings.TrimSpace(s) == "" {
		return "-"
	}
	return terminal.Safe(s)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
