package cluster

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Command makes `ashlar cluster`.
func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Back the metadata up, and say that it was put back",
		Long: "cluster has what concerns the metadata as a whole. Blocks are on the blockservers, several\n" +
			"copies of each; names, references and what may be deleted are in the metadata.",
	}
	cmd.AddCommand(backup(a), startGeneration(a))
	return cmd
}

// findTimeout bounds the search for the leader.
const findTimeout = 10 * time.Second

// leader returns a client of admin ports and the leader's address: the one that
// named leads to, or else the one that the cluster's status names.
func leader(ctx context.Context, a *app.App, named string) (*admin.Client, string, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	c := admin.NewClient(protocol.ID{})
	addr, err := leaderAdmin(ctx, a, c, named)
	if err != nil {
		c.Close()
		return nil, "", err
	}
	return c, addr, nil
}

func leaderAdmin(ctx context.Context, a *app.App, c *admin.Client, named string) (string, error) {
	if named != "" {
		h, err := c.Hello(ctx, named)
		if err == nil && h.LeaderAdmin == "" {
			err = protocol.Errorf(protocol.Unavailable, "metaserver %s knows no leader", h.Server)
		}
		return h.LeaderAdmin, err
	}
	sdk, err := a.Open(ctx)
	if err != nil {
		return "", err
	}
	defer sdk.Close()
	status := &pb.ClusterStatus{}
	if err := sdk.Ask(ctx, protocol.PathClusterStatus, &pb.ClusterStatusRequest{}, status); err != nil {
		return "", err
	}
	for _, m := range status.GetMembers() {
		if m.GetLeader() && m.GetAdminAddress() != "" {
			return m.GetAdminAddress(), nil
		}
	}
	return "", protocol.Errorf(protocol.Unavailable, "the metaservers name no leader")
}
