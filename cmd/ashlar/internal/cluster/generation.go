package cluster

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// meaning is what an operator agrees to with --yes.
const meaning = "A new generation says that the metadata was put back to an earlier state. Versions that were given\n" +
	"out before it count for nothing from then on: uploads under way are made again, every blockserver\n" +
	"shows all files that it holds, and until it has, its older copies are read but not relied on. Files\n" +
	"that the metadata does not know are deleted; objects that lack every copy are reported lost. What\n" +
	"was acknowledged after the state that was put back is gone already, and stays so. It cannot be\n" +
	"taken back. Where the metadata was not put back it loses nothing, and costs one inventory.\n" +
	"Nothing is deleted before `ashlar gc resume`: no file, no prefix, nothing in the trash."

func startGeneration(a *app.App) *cobra.Command {
	var (
		named string
		yes   bool
		q     admin.StartGeneration
		met   uint32
	)
	cmd := &cobra.Command{
		Use:   "start-generation --yes",
		Short: "Say that the metadata was put back to an earlier state",
		Long: meaning + "\n\nA cluster that finds itself put back, because a blockserver has met a version that the metadata\n" +
			"never gave out, serves nothing until this is said. One that was begun with\n" +
			"`ashlar metaserver --restore-from` has said it by itself.",
		Example: "  ashlar cluster start-generation --yes",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return protocol.Errorf(protocol.InvalidArgument, "nothing was done; it needs --yes.\n\n%s", meaning)
			}
			if cmd.Flags().Changed("if-met") {
				q.IfMet = &met
			}
			return start(cmd.Context(), a, named, q)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it: it cannot be taken back")
	cmd.Flags().Uint32Var(&q.Generation, "generation", 0, "`number` of the generation, above every one that was met (default: the next)")
	cmd.Flags().Uint32Var(&met, "if-met", 0, "only if this `number` is the highest generation that was met")
	cmd.Flags().StringVar(&named, "admin", "", "admin `address` of any metaserver (default: found through --endpoints)")
	return cmd
}

func start(ctx context.Context, a *app.App, named string, q admin.StartGeneration) error {
	c, addr, err := leader(ctx, a, named)
	if err != nil {
		return err
	}
	defer c.Close()
	g, err := c.StartGeneration(ctx, addr, q)
	if err != nil {
		return err
	}
	if a.Screen.JSON {
		return a.Screen.Document(g)
	}
	a.Screen.Printf("generation %d has begun; the highest before was %d\n", g.Generation, g.Met)
	a.Screen.Notef("`ashlar status` shows a node as suspect until its inventory is taken")
	a.Screen.Notef("nothing is deleted before `ashlar gc resume`; look at `ashlar job list` first")
	return nil
}
