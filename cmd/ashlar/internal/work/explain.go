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
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Explain makes `ashlar explain`.
func Explain(a *app.App) *cobra.Command {
	var scan uint32
	cmd := &cobra.Command{
		Use:   "explain HASH",
		Short: "Tell all that is known of one block, and what it waits for",
		Long: "explain asks the leader for a block's record: phase, references and who holds them, copies,\n" +
			"what is to be deleted where, the work that is scheduled about it, and the one thing that\n" +
			"progress waits for. Holders are found by looking at names one after the other, up to --scan.",
		Example: "  ashlar explain 2f5e...  # 64 digits, as `ashlar block put` prints them",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return explain(cmd.Context(), a, args[0], scan) },
	}
	cmd.Flags().Uint32Var(&scan, "scan", 0, "look at this many `rows` for holders, at most (default: the server's, 20000)")
	return cmd
}

// ask puts one question to the leader.
func ask(ctx context.Context, a *app.App, path string, req, ans rpc.Message) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Ask(ctx, path, req, ans)
}

func explain(ctx context.Context, a *app.App, digits string, scan uint32) error {
	hash, err := protocol.ParseHash(digits)
	if err != nil {
		return err
	}
	ans := &pb.ExplainAnswer{}
	if err := ask(ctx, a, protocol.PathExplain, &pb.ExplainRequest{Hash: hash[:], ScanLimit: scan}, ans); err != nil {
		return err
	}
	e := report.ExplanationOf(ans)
	if a.Screen.JSON {
		return a.Screen.Document(e)
	}
	return a.Screen.Table(explanation(e))
}

func explanation(e report.Explanation) [][]string {
	rows := [][]string{
		{"hash", e.Hash},
		{"phase", fmt.Sprintf("%s, %d references", e.Phase, e.References)},
		{"size", terminal.Bytes(uint64(e.PlainSize)) + ", stored as " + terminal.Bytes(uint64(e.StoredSize))},
		{"copies", report.CopiesText(e.Redundancy, e.ReferencesByRedundancy)},
		{"floor", e.Floor},
		{"wanted on", nodes(e.Wanted)},
	}
	for _, c := range e.Copies {
		line := fmt.Sprintf("node %d at %s", c.Node, c.Version)
		if !c.Trusted {
			line += ", not trusted"
		}
		rows = append(rows, []string{"copy", line})
	}
	for _, d := range e.Drops {
		rows = append(rows, []string{"drop", fmt.Sprintf("node %d, files below %s", d.Node, d.Version)})
	}
	for _, p := range e.Pending {
		rows = append(rows, []string{"pending", fmt.Sprintf("node %d has to delete its file", p)})
	}
	for _, h := range e.Holders {
		rows = append(rows, []string{"held by", holder(h)})
	}
	if e.HoldersCut {
		rows = append(rows, []string{"", fmt.Sprintf("there may be more holders: %d rows were looked at (--scan)", e.RowsScanned)})
	}
	for _, w := range e.Work {
		rows = append(rows, []string{"work", w.Class + ", " + state(w, time.Now())})
	}
	if len(e.InFlight) > 0 {
		rows = append(rows, []string{"ordered", "nodes " + nodes(e.InFlight)})
	}
	if len(e.SilentNodes) > 0 {
		rows = append(rows, []string{"silent", "nodes " + nodes(e.SilentNodes)})
	}
	return append(rows, []string{"waits for", e.WaitsFor})
}

func holder(h report.Holder) string {
	name := h.Kind
	switch {
	case h.Bucket != "":
		name += " " + terminal.Safe(h.Bucket+"/"+h.Name)
	case h.Name != "":
		name += " " + h.Name
	}
	if h.Version != "" {
		name += ", version " + h.Version
	}
	if h.References > 1 {
		name += fmt.Sprintf(", %d times", h.References)
	}
	return name
}

// state tells how often work failed and when it is tried.
func state(w report.Work, now time.Time) string {
	var parts []string
	if w.Attempts > 0 {
		parts = append(parts, fmt.Sprintf("failed %d times, last %s", w.Attempts, w.Cause))
	}
	if due := time.UnixMilli(w.DueUnixMs); due.After(now) {
		parts = append(parts, "due in "+due.Sub(now).Round(time.Second).String())
	} else {
		parts = append(parts, "due")
	}
	return strings.Join(parts, ", ")
}

func nodes(list []uint32) string {
	if len(list) == 0 {
		return "-"
	}
	var out []string
	for _, n := range list {
		out = append(out, fmt.Sprint(n))
	}
	return strings.Join(out, ", ")
}
