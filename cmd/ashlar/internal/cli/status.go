package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/client/admin"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/fleet"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// statusFlags are those of status.
type statusFlags struct {
	stale, watch bool
	every        time.Duration
}

func statusCommand(a *app.App) *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Describe the cluster: members, blockservers, what is kept, what moves",
		Long: "status asks the leader. With --stale any metaserver answers with what it has, which also\n" +
			"works while there is no leader. With --watch it goes on until it is stopped: on a terminal it draws\n" +
			"the page anew, elsewhere it prints a line.",
		Example: "  ashlar status\n  ashlar status --watch\n  ashlar status -o json | jq .counters.logical_bytes",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), a) },
	}
	cmd.Flags().BoolVar(&f.stale, "stale", false, "let any metaserver answer with what it has")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "show it again and again")
	cmd.Flags().DurationVar(&f.every, "every", 2*time.Second, "`time` between two looks of --watch")
	return cmd
}

func (f *statusFlags) run(ctx context.Context, a *app.App) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if !f.watch {
		s, err := f.look(ctx, c)
		switch {
		case err != nil:
			return err
		case a.Screen.JSON:
			return a.Screen.Document(s)
		}
		return printStatus(a, s)
	}
	if f.every < 100*time.Millisecond {
		return protocol.Errorf(protocol.InvalidArgument, "--every is at least 100ms, not %v", f.every)
	}
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		s, err := f.look(ctx, c)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			a.Screen.Notef("ashlar: %s", err)
		default:
			err = f.show(a, s)
		}
		if err := a.Screen.Broken(); err != nil {
			return err
		}
		if err != nil && protocol.KindOf(err) == protocol.Internal {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// show prints one look of --watch.
func (f *statusFlags) show(a *app.App, s report.Status) error {
	switch {
	case a.Screen.JSON:
		return a.Screen.Record(s)
	case a.Screen.Redraw():
		return printStatus(a, s)
	}
	a.Screen.Printf("%s\n", statusLine(s))
	return nil
}

// look asks for the status, and with it for nodes and jobs.
func (f *statusFlags) look(ctx context.Context, c *client.Client) (s report.Status, err error) {
	var opts []client.Option
	if f.stale {
		opts = append(opts, client.WithLevel(client.Stale))
	}
	answer, err := c.Status(ctx, opts...)
	if err != nil {
		return s, err
	}
	s = report.StatusOf(answer)
	operator := admin.New(c)
	nodes, err := operator.Nodes(ctx, f.stale, false)
	if err != nil {
		return s, err
	}
	s.AddNodes(report.NodesOf(nodes))
	if !f.stale {
		jobs, err := operator.Jobs(ctx, false)
		if err != nil {
			return s, err
		}
		s.Jobs = report.JobsOf(jobs)
	}
	return s, nil
}

// statusLine is the status in one line.
func statusLine(s report.Status) string {
	up, committed := 0, uint64(0)
	for _, b := range s.Blockservers {
		committed += b.CommittedBytes
		if b.State == "up" && b.Reachable {
			up++
		}
	}
	line := fmt.Sprintf("%s: %d of %d blockservers up, %s committed, %d blocks at risk, %d to move",
		s.Version, up, len(s.Blockservers), terminal.Bytes(committed), s.Counters.UnderReplicatedBlocks, s.Counters.MovingBlocks)
	if len(s.Paused) > 0 {
		line += "; paused: " + strings.Join(s.Paused, ", ")
	}
	for _, j := range s.Jobs {
		line += "; " + j.ID + ": " + fleet.Progress(j)
		if j.WaitsFor != "" {
			line += ", waits for " + j.WaitsFor
		}
	}
	return line
}

func printStatus(a *app.App, s report.Status) error {
	if s.NotServing != "" {
		a.Screen.Printf("NOT SERVING: %s\n\n", terminal.Safe(s.NotServing))
	}
	if !s.Led() {
		a.Screen.Printf("WITHOUT THE LEADER: what metaserver %s has; ANSWERS, USED and FREE are not known\n\n", short(s.AnsweredBy))
	}
	n := s.Counters
	rows := [][]string{
		{"cluster", s.Cluster},
		{"version", s.Version + ", index " + count(s.AppliedIndex) + ", term " + count(s.Term)},
		{"copies", copiesOf(s)},
		{"objects", count(n.Objects) + ", " + terminal.Bytes(n.LogicalBytes) + " (" + terminal.Bytes(n.InlineBytes) + " inline)"},
		{"trash", count(n.TrashObjects) + ", " + terminal.Bytes(n.TrashLogicalBytes) + " (" + terminal.Bytes(n.TrashInlineBytes) + " inline)"},
		{"blocks", count(n.LiveBlocks) + " live, " + terminal.Bytes(n.StoredBytes) + " stored once, " + terminal.Bytes(n.CopiesStoredBytes) + " over all copies"},
		{"garbage", count(n.UnreferencedBlocks) + " blocks, " + terminal.Bytes(n.UnreferencedStoredBytes) + ", " + count(n.UnreferenceLeft) + " references to take back"},
		{"at risk", count(n.UnderReplicatedBlocks) + " blocks with fewer copies than wanted"},
		{"to move", count(n.MovingBlocks) + " blocks, " + terminal.Bytes(n.MovingStoredBytes)},
	}
	if len(s.Paused) > 0 {
		rows = append(rows, []string{"paused", strings.Join(s.Paused, ", ") + "; see ashlar gc status"})
	}
	if err := a.Screen.Table(rows); err != nil {
		return err
	}
	a.Screen.Printf("\n")
	rows = [][]string{{"METASERVER", "CLIENTS", "RAFT", "ADMIN", "ROLE"}}
	for _, m := range s.Metaservers {
		rows = append(rows, []string{short(m.ID), m.ClientAddress, m.RaftAddress, m.AdminAddress, m.Role})
	}
	if err := a.Screen.Table(rows); err != nil {
		return err
	}
	a.Screen.Printf("\n")
	rows = [][]string{{"BLOCKSERVER", "ADDRESS", "ZONE", "STATE", "ANSWERS", "COMMITTED", "USED", "FREE", "CAPACITY"}}
	for _, b := range s.Blockservers {
		rows = append(rows, []string{
			count(uint64(b.Node)), b.Address, dash(b.Zone), b.Words(), yes(b.Reachable), terminal.Bytes(b.CommittedBytes),
			terminal.Bytes(b.UsedBytes), terminal.Bytes(b.FreeBytes), terminal.Bytes(b.CapacityBytes),
		})
	}
	if err := a.Screen.Table(rows); err != nil || len(s.Jobs) == 0 {
		return err
	}
	a.Screen.Printf("\n")
	return a.Screen.Table(fleet.JobRows(s.Jobs))
}

// copiesOf tells how many copies are made, and who asks for other numbers.
func copiesOf(s report.Status) string {
	text := count(uint64(s.Redundancy)) + " of each block, writes wait for " + count(uint64(s.Quorum))
	if own := report.OwnCopiesText(s.Counters.ReferencesByRedundancy); own != "" {
		text += "; " + own
	}
	return text
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
