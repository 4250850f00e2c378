package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// NodeInfos describes the nodes by number, on request those removed too: all that
// the state knows of them. What a leader observes is not among it.
func NodeInfos(r Reader, removed bool) ([]*pb.NodeInfo, error) {
	p, err := PlacingOf(r)
	if err != nil {
		return nil, err
	}
	places := placesBy(tableOf(p.Layout), int(p.Redundancy), len(p.Nodes))
	var out []*pb.NodeInfo
	for i, n := range p.Nodes {
		if removed || isMember(n) {
			out = append(out, nodeInfo(uint32(i+1), n, places[i]))
		}
	}
	return out, nil
}

func nodeInfo(id uint32, n *record.Node, places uint32) *pb.NodeInfo {
	info := &pb.NodeInfo{
		Node: blockNode(id, n), Identity: n.Identity, Weight: n.Weight, Away: n.Away, Copies: n.Copies, CopiesStoredBytes: n.CopiesStoredBytes,
		OwedDeletes: n.OwedDeletes, CriticalBlocks: n.CriticalBlocks, Places: places, StateSinceUnixMs: n.StateSinceUnixMs,
	}
	if n.State == pb.NodeState_NODE_STATE_DRAINING {
		info.LeftBlocks, info.LeftBytes = n.Copies, n.CopiesStoredBytes
	}
	return info
}
