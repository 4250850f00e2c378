package state

import (
	"unicode/utf8"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Bounds of a change of layout.
const (
	// MaxLayoutChanges bounds the changes of one command.
	MaxLayoutChanges = 256
	// MaxNodeWeight bounds a node's weight, which counts as so many GiB.
	MaxNodeWeight = 1 << 32
	// MaxLayoutReason bounds the text that is kept with a layout, in bytes.
	MaxLayoutReason = 256
)

func checkChangeLayout(q *record.ChangeLayout) error {
	if q.Algorithm != LayoutAlgorithm {
		return protocol.Errorf(protocol.Unsupported, "this build knows placement algorithm %d, not %d", LayoutAlgorithm, q.Algorithm)
	}
	if len(q.TableDigest) != protocol.HashSize {
		return protocol.Errorf(protocol.InvalidArgument, "a table's digest has %d bytes, not %d", protocol.HashSize, len(q.TableDigest))
	}
	if len(q.Reason) > MaxLayoutReason || !utf8.ValidString(q.Reason) {
		return protocol.Errorf(protocol.InvalidArgument, "the reason for a layout is at most %d bytes of UTF-8", MaxLayoutReason)
	}
	return checkNodeChanges(q.Changes)
}

// checkNodeChanges accepts changes of which no two say the same kind of thing
// about a node: whether it takes part, its weight, its zone.
func checkNodeChanges(changes []*pb.NodeChange) error {
	if len(changes) > MaxLayoutChanges {
		return protocol.Errorf(protocol.InvalidArgument, "a layout has at most %d changes, not %d", MaxLayoutChanges, len(changes))
	}
	for i, c := range changes {
		switch c.GetKind() {
		case pb.NodeChange_ADD, pb.NodeChange_DRAIN, pb.NodeChange_CANCEL_DRAIN:
		case pb.NodeChange_WEIGHT:
			if c.Weight > MaxNodeWeight {
				return protocol.Errorf(protocol.InvalidArgument, "a node's weight is at most %d, not %d", uint64(MaxNodeWeight), c.Weight)
			}
		case pb.NodeChange_ZONE:
			if err := checkZone(c.Zone); err != nil {
				return err
			}
		default:
			return protocol.Errorf(protocol.Unsupported, "this build does not know change %d of a node", c.GetKind())
		}
		for _, other := range changes[:i] {
			if other.Node == c.Node && aspect(other) == aspect(c) {
				return protocol.Errorf(protocol.InvalidArgument, "two changes say %s of node %d", aspect(c), c.Node)
			}
		}
	}
	return nil
}

func aspect(c *pb.NodeChange) string {
	switch c.Kind {
	case pb.NodeChange_WEIGHT:
		return "the weight"
	case pb.NodeChange_ZONE:
		return "the zone"
	}
	return "whether blocks are placed"
}

// plainChanges keep what this build knows of them.
func plainChanges(changes []*pb.NodeChange) []*pb.NodeChange {
	out := make([]*pb.NodeChange, len(changes))
	for i, c := range changes {
		out[i] = &pb.NodeChange{Node: c.Node, Kind: c.Kind}
		switch c.Kind {
		case pb.NodeChange_WEIGHT:
			out[i].Weight = c.Weight
		case pb.NodeChange_ZONE:
			out[i].Zone = c.Zone
		}
	}
	return out
}

// changeLayout changes what placement goes by, and the table with it, if it still
// is the layout that the change was planned on and the table comes out as planned.
// Without changes the nodes are balanced anew. A sweep brings the blocks in line.
func (a *applier) changeLayout(q *record.ChangeLayout) *record.Result {
	if q.IfLayoutVersion != a.cluster.LayoutVersion {
		return a.refuse(protocol.Changed, "the layout is at version %d, not %d any more", a.cluster.LayoutVersion, q.IfLayoutVersion)
	}
	c, err := planChange(a, a.cluster, a.m.nodes, a.m.layout, q.Changes)
	if err != nil {
		return a.refuseWith(err)
	}
	row := c.row()
	if digest := digestOf(row); string(digest[:]) != string(q.TableDigest) {
		return a.refuse(protocol.Changed, "the table is another one than was planned; a node may have shown other capacities since")
	}
	a.next()
	for i := range c.sites {
		a.changeNode(uint32(i+1), &c.sites[i])
	}
	row.Cause, row.Reason, row.Changes = LayoutAsked, q.Reason, plainChanges(q.Changes)
	a.setLayout(row)
	if len(q.Changes) == 0 {
		a.startSweep(SweepRebalance, 0)
	} else {
		a.startSweep(SweepLayout, 0)
	}
	return a.done()
}

// changeNode has a node's row say what the change made of it.
func (a *applier) changeNode(id uint32, s *site) {
	n := a.node(id)
	if n.State == s.state && n.Zone == s.zone && n.Weight == s.weight {
		return
	}
	n.Zone, n.Weight = s.zone, s.weight
	a.touchNode(id)
	if n.State != s.state {
		a.setNode(id, s.state, false)
	}
}

// setNode changes a node's state, and what is derived from the states.
func (a *applier) setNode(id uint32, state pb.NodeState, away bool) {
	n := a.node(id)
	if n.State != state {
		n.State, n.StateSinceUnixMs = state, a.nowUnixMs
	}
	n.Away = away
	a.touchNode(id)
	a.cluster.Away = awayNodes(a.m.nodes)
}
