package torture

import (
	"bytes"
	"context"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// sameState waits until all metaservers have applied the same entry and compares
// what each says of its state there.
func (t *run) sameState(ctx context.Context) error {
	caller := rpc.NewClient(rpc.ClientConfig{})
	defer caller.Close()
	return until(ctx, func(ctx context.Context) error {
		var all []*pb.ClusterStatus
		for _, m := range t.cluster.Meta {
			s := &pb.ClusterStatus{}
			if err := caller.Call(ctx, m.Address, protocol.PathClusterStatus, &pb.ClusterStatusRequest{Level: pb.Level_LEVEL_STALE}, s); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			all = append(all, s)
		}
		together := 0
		for i, s := range all {
			if s.GetAppliedIndex() != all[0].GetAppliedIndex() {
				continue
			}
			together++
			if !bytes.Equal(s.GetDigest(), all[0].GetDigest()) || len(s.GetDigest()) == 0 {
				return fatalError{fmt.Errorf("at entry %d, %s has digest %x and %s has %x", s.GetAppliedIndex(),
					t.cluster.Meta[0].Name, all[0].GetDigest(), t.cluster.Meta[i].Name, s.GetDigest())}
			}
		}
		if together < len(all) {
			return fmt.Errorf("only %d of %d metaservers are at entry %d", together, len(all), all[0].GetAppliedIndex())
		}
		return nil
	})
}

// recounts has every metaserver count its state anew and check every invariant.
func (t *run) recounts(ctx context.Context) error {
	asker := admin.NewClient(protocol.ID{})
	defer asker.Close()
	for _, m := range t.cluster.Meta {
		r, err := asker.Recount(ctx, m.Admin)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		if r.Drift || r.Broken != "" {
			return fmt.Errorf("%s kept %s and counts %s; broken: %s", m.Name, r.Kept, r.Recounted, r.Broken)
		}
	}
	return nil
}

// transfer hands leadership over; whoever leads then begins with an empty memory.
func (t *run) transfer(ctx context.Context) error {
	leader, err := t.cluster.Leader(ctx)
	if err != nil {
		return err
	}
	asker := admin.NewClient(protocol.ID{})
	defer asker.Close()
	return asker.Transfer(ctx, leader.Admin)
}
