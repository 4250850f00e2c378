package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client/admin"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/report"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// defaultCritical is how many blocks are listed that speak against a node's stop.
const defaultCritical = 20

func nodeDrain(a *app.App) *cobra.Command {
	var wait bool
	cmd := verb(a, "drain N", "Move all copies off a node", func(ctx context.Context, c *admin.Client, n uint32) error {
		if err := change(ctx, a, c, []*pb.NodeChange{{Node: n, Kind: pb.NodeChange_DRAIN}}, fmt.Sprintf("drain of node %d", n)); err != nil || !wait {
			return err
		}
		return waitDrained(ctx, a, c, n)
	})
	cmd.Long = "drain changes the layout so that nothing belongs on the node, and every copy on it is made\n" +
		"elsewhere before it is deleted. The node serves reads meanwhile. It is drained when the log counts\n" +
		"no copy on it and no delete that it owes; then it can be removed. `ashlar node show` tells how far\n" +
		"that is and what it waits for, `ashlar node cancel-drain` ends it."
	cmd.Example = "  ashlar node drain 4 --wait\n  ashlar node remove 4"
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is drained, and print how that goes")
	return cmd
}

func cancelDrain(ctx context.Context, a *app.App, c *admin.Client, n uint32) error {
	return change(ctx, a, c, []*pb.NodeChange{{Node: n, Kind: pb.NodeChange_CANCEL_DRAIN}}, fmt.Sprintf("the drain of node %d was canceled", n))
}

// waitDrained waits until nothing is left, and prints a line when there is news.
func waitDrained(ctx context.Context, a *app.App, c *admin.Client, node uint32) error {
	last := ""
	for {
		n, err := find(ctx, c, node)
		if err != nil {
			return err
		}
		if n.State != "draining" {
			if n.State != "drained" {
				return protocol.Errorf(protocol.Changed, "node %d is %s now: the drain was ended", node, n.State)
			}
			a.Screen.Notef("node %d is drained: no copy is counted on it, and it owes no delete", node)
			return nil
		}
		line := fmt.Sprintf("%d copies left, %d deletes owed", n.Copies, n.OwedDeletes)
		if jobs, err := c.Jobs(ctx, false); err == nil {
			for _, j := range report.JobsOf(jobs) {
				if j.Kind == "drain" && j.About == fmt.Sprintf("node %d", node) {
					line = Progress(j)
				}
			}
		}
		if n.WaitsFor != "" {
			line += "; waits for: " + n.WaitsFor
		}
		if line != last {
			a.Screen.Notef("%s", line)
		}
		last = line
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func nodeMaintenance(a *app.App) *cobra.Command {
	var end, risk bool
	cmd := verb(a, "maintenance N", "Begin or end a node's maintenance", func(ctx context.Context, c *admin.Client, n uint32) error {
		if !end && !risk {
			why, err := silent(ctx, c, n)
			if err != nil {
				return err
			}
			if why != "" {
				return protocol.Errorf(protocol.PreconditionFailed, "%s; wait until that has passed (`ashlar node may-stop %d` tells), or accept the risk with --accept-risk", why, n)
			}
		}
		if err := c.Maintain(ctx, n, end, risk); err != nil {
			return err
		}
		return showNode(ctx, a, c, n)
	})
	cmd.Long = "A node in maintenance may stop for a while: it is read from and written to last, and its copies\n" +
		"are not made again elsewhere. Asking and taking are one step in the log, so that two operators\n" +
		"cannot both get a yes: it is refused while another node is down or in maintenance, while an\n" +
		"inventory is outstanding, or while blocks would be left with too few copies."
	cmd.Example = "  ashlar node maintenance 3\n  ashlar node maintenance 3 --end"
	cmd.Flags().BoolVar(&end, "end", false, "end it: the node is up again")
	cmd.Flags().BoolVar(&risk, "accept-risk", false, "begin it whatever speaks against it")
	return cmd
}

func showNode(ctx context.Context, a *app.App, c *admin.Client, n uint32) error {
	node, err := find(ctx, c, n)
	if err != nil {
		return err
	}
	return printNodes(a, []report.Node{node})
}

func nodeRemove(a *app.App) *cobra.Command {
	var loss bool
	cmd := verb(a, "remove N", "Remove a node that will not return", func(ctx context.Context, c *admin.Client, n uint32) error {
		err := c.Remove(ctx, n, loss)
		if protocol.KindOf(err) == protocol.PreconditionFailed {
			if stop, serr := c.MayStop(ctx, n, defaultCritical); serr == nil && stop.GetCriticalBlocks() > 0 {
				if serr := printStop(a, report.StopOf(n, stop)); serr != nil {
					return serr
				}
			}
		}
		if err != nil {
			return err
		}
		return showNode(ctx, a, c, n)
	})
	cmd.Long = "remove ends a node's membership with one entry of the log. Its identity is refused for ever; the\n" +
		"same machine may join again as a new node once its data folder was emptied. It is refused, with the\n" +
		"list, while blocks would be left with too few copies, and while the node answers and holds copies:\n" +
		"drain it first if it answers, or wait until its copies were made again elsewhere if it does not."
	cmd.Flags().BoolVar(&loss, "accept-loss", false, "remove it although it holds copies, and blocks may be left with too few, or none")
	return cmd
}

func mayStop(a *app.App) *cobra.Command {
	var limit int
	cmd := verb(a, "may-stop N", "Ask whether a node may stop now", func(ctx context.Context, c *admin.Client, n uint32) error {
		ans, err := c.MayStop(ctx, n, limit)
		if err != nil {
			return err
		}
		s := report.StopOf(n, ans)
		if s.MayStop {
			if s.Why, err = silent(ctx, c, n); err != nil {
				return err
			}
			s.MayStop = s.Why == ""
		}
		if err := printStop(a, s); err != nil || s.MayStop {
			return err
		}
		return protocol.Errorf(protocol.PreconditionFailed, "node %d may not stop now: %s", n, s.Why)
	})
	cmd.Long = "may-stop exits with 0 if the node may stop, and with 4 if it may not, with the blocks that would be\n" +
		"left with too few copies. The answer is good for the moment: `ashlar node maintenance` asks and\n" +
		"holds the answer."
	cmd.Flags().IntVar(&limit, "limit", defaultCritical, "list this many `blocks`, at most")
	return cmd
}

// silent names another node that does not answer just now: the log may not know
// yet that it is down, and two that are gone are one too many.
func silent(ctx context.Context, c *admin.Client, node uint32) (why string, err error) {
	list, err := c.Nodes(ctx, false, false)
	if err != nil {
		return "", err
	}
	for _, n := range report.NodesOf(list) {
		if n.Node != node && !n.Answers && !n.Away && n.State != "removed" {
			return fmt.Sprintf("node %d does not answer (it is %s by the log)", n.Node, n.State), nil
		}
	}
	return "", nil
}

func printStop(a *app.App, s report.Stop) error {
	switch {
	case a.Screen.JSON:
		return a.Screen.Document(s)
	case s.MayStop:
		a.Screen.Printf("yes\n")
	default:
		a.Screen.Printf("no: %s\n", s.Why)
	}
	for _, h := range s.Critical {
		a.Screen.Printf("%s\n", h)
	}
	if more := s.CriticalBlocks - min(uint64(len(s.Critical)), s.CriticalBlocks); more > 0 && len(s.Critical) > 0 {
		a.Screen.Printf("and %d more\n", more)
	}
	return nil
}
