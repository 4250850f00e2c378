package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// isMember: the log has admitted the node and not removed it (reclamation.md,
// Words).
func isMember(n *record.Node) bool {
	return n != nil && n.State != pb.NodeState_NODE_STATE_REMOVED
}

// node returns nil for a number that was never given out.
func (a *applier) node(id uint32) *record.Node {
	if id == 0 || uint64(id) > uint64(len(a.m.nodes)) {
		return nil
	}
	return a.m.nodes[id-1]
}

// touchNode has the node's row written with the entry.
func (a *applier) touchNode(id uint32) {
	for _, i := range a.dirty {
		if i == int(id-1) {
			return
		}
	}
	a.dirty = append(a.dirty, int(id-1))
}

// member is what rules ask before they listen to or about a node.
func (a *applier) member(id uint32) bool {
	n := a.node(id)
	switch {
	case n == nil || !a.m.holds(Membership):
		return n != nil
	case !a.m.holds(RemoveAtOnce):
		return isMember(n) || !n.Cleaned
	}
	return isMember(n)
}

// trusts is the applier's answer to whether a counted copy is trusted.
func (a *applier) trusts(id uint32, v protocol.Version) bool {
	return a.member(id) && !(v.Less(fromPB(a.node(id).InventoryDue)) && a.m.holds(SuspectUntrusted))
}

// isSuspect: the node's inventory is outstanding and the copy is older than the
// entry that asked for it (reclamation.md, Suspect). The cluster's row lists
// these nodes and those removed that records still mention, so a reader needs no
// node's row.
func isSuspect(c *record.Cluster, id uint32, v protocol.Version) bool {
	for _, s := range c.Suspects {
		if s.Node == id {
			return v.Less(fromPB(s.Below))
		}
	}
	return false
}

// suspects derives the cluster row's list from the nodes.
func suspects(nodes []*record.Node) []*record.Suspect {
	var out []*record.Suspect
	for i, n := range nodes {
		below := fromPB(n.InventoryDue)
		if !isMember(n) && !n.Cleaned {
			below = highestVersion
		}
		if !below.IsZero() {
			out = append(out, &record.Suspect{Node: uint32(i + 1), Below: toPB(below)})
		}
	}
	return out
}

// highestVersion is above every version that can be given out.
var highestVersion = protocol.Version{Generation: 1<<32 - 1, Counter: 1<<64 - 1}
