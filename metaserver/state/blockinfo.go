package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// phaseNames are what people read; the numbers are record.Block_Phase.
func phaseName(p record.Block_Phase) string {
	switch p {
	case record.Block_LIVE:
		return "live"
	case record.Block_UNREFERENCED:
		return "unreferenced"
	case record.Block_CONDEMNED:
		return "condemned"
	}
	return "none"
}

// BlockInfo answers with one block record, phase "none" where there is no row,
// and the nodes that it is to stand on (Wanted). The floor is fl(h) of
// reclamation.md.
func BlockInfo(r Reader, q *pb.BlockInfoRequest) (*pb.BlockInfoAnswer, error) {
	if _, err := protocol.HashFromBytes(q.Hash); err != nil {
		return nil, err
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	b := &record.Block{}
	if _, err := load(r, keyBlock(q.Hash), b); err != nil {
		return nil, err
	}
	layout, err := LayoutRow(r)
	if err != nil {
		return nil, err
	}
	redundancy := redundancyOf(b, cluster.Settings.GetRedundancy())
	ans := &pb.BlockInfoAnswer{
		Hash: q.Hash, Phase: phaseName(b.Phase), References: b.Refs, Floor: toPB(floorOf(cluster, b)),
		PlainSize: b.PlainSize, StoredSize: b.StoredSize, Copies: blockCopies(cluster, b.Copies),
		Drops: blockCopies(cluster, b.Drops), Pending: b.Pending,
		Wanted: Wanted(layout, cluster.Away, redundancy, q.Hash), Redundancy: redundancy, Version: toPB(versionOf(cluster)),
	}
	addReferences(ans, b)
	return ans, nil
}

func blockCopies(cluster *record.Cluster, held []*record.Held) []*pb.BlockCopy {
	var out []*pb.BlockCopy
	for _, h := range held {
		v := heldVersion(h)
		out = append(out, &pb.BlockCopy{Node: h.Node, Version: toPB(v), Trusted: !isSuspect(cluster, h.Node, v)})
	}
	return out
}
