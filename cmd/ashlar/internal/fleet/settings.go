package fleet

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// nodeSettings shows and changes when the leader acts on what it sees.
func nodeSettings(a *app.App) *cobra.Command {
	var down, away time.Duration
	var auto bool
	cmd := &cobra.Command{
		Use: "settings", Short: "Show or change when silent nodes are down and away, and who adds new ones", Args: cobra.NoArgs,
		Long: "A node that has not answered the leader for --down-after is down: nothing new is placed on it. After\n" +
			"--away-after its copies are made again elsewhere. With --auto-layout nodes that join a cluster with\n" +
			"data enter the layout without `ashlar layout apply`. Without flags it shows what is set.",
		Example: "  ashlar node settings --down-after 1m --away-after 30m",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := &pb.WorkSetRequest{}
			for name, to := range map[string]struct {
				value time.Duration
				field **uint64
			}{"down-after": {down, &q.DownAfterMs}, "away-after": {away, &q.AwayAfterMs}} {
				if cmd.Flags().Changed(name) {
					if to.value < 0 {
						return protocol.Errorf(protocol.InvalidArgument, "--%s is not negative", name)
					}
					ms := uint64(to.value.Milliseconds())
					*to.field = &ms
				}
			}
			if cmd.Flags().Changed("auto-layout") {
				q.AutoLayout = &auto
			}
			return settings(cmd.Context(), a, q, cmd.Flags().Changed("down-after") || cmd.Flags().Changed("away-after") || q.AutoLayout != nil)
		},
	}
	cmd.Flags().DurationVar(&down, "down-after", 0, "`time` of silence after which a node is down; 0 is the default, 30s")
	cmd.Flags().DurationVar(&away, "away-after", 0, "`time` of silence after which its copies are made again elsewhere; 0 is the default, 10m")
	cmd.Flags().BoolVar(&auto, "auto-layout", false, "add joining nodes to the layout at once")
	return cmd
}

func settings(ctx context.Context, a *app.App, q *pb.WorkSetRequest, changes bool) error {
	c, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var s *pb.WorkSettings
	if changes {
		ans := &pb.WorkSetAnswer{}
		err = c.Ask(ctx, protocol.PathWorkSet, q, ans)
		s = ans.GetSettings()
	} else {
		ans := &pb.WorkListAnswer{}
		err = c.Ask(ctx, protocol.PathWorkList, &pb.WorkListRequest{Limit: 1}, ans)
		s = ans.GetSettings()
	}
	if err != nil {
		return err
	}
	w := report.WorkSettingsOf(s)
	if a.Screen.JSON {
		return a.Screen.Document(map[string]any{"down_after_ms": w.DownAfterMs, "away_after_ms": w.AwayAfterMs, "auto_layout": w.AutoLayout})
	}
	return a.Screen.Table([][]string{
		{"down after", (time.Duration(w.DownAfterMs) * time.Millisecond).String()},
		{"away after", (time.Duration(w.AwayAfterMs) * time.Millisecond).String()},
		{"auto layout", yes(w.AutoLayout)},
	})
}
