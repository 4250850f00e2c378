package state

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// plannedChange is what changes of layout come to: the nodes as they become, and
// the table that follows. A plan and its apply both have it from planChange.
type plannedChange struct {
	sites []site
	input placement.Input
	table placement.Table
	own   []*record.OwnTable
	// restored: it is the table from before a drain that is canceled.
	restored bool
}

func planChange(r Reader, cluster *record.Cluster, nodes []*record.Node, layout *record.Layout, changes []*pb.NodeChange) (*plannedChange, error) {
	c := &plannedChange{sites: sitesOf(nodes)}
	drains := false
	for _, change := range changes {
		switch n := nodeAt(nodes, change.Node); {
		case n == nil:
			return nil, protocol.Errorf(protocol.NotFound, "no node has number %d", change.Node)
		case !isMember(n):
			return nil, protocol.Errorf(protocol.NotFound, "node %d was removed; its machine may join as a new node, with another number", change.Node)
		}
		if err := c.sites[change.Node-1].change(change); err != nil {
			return nil, err
		}
		drains = drains || change.Kind == pb.NodeChange_DRAIN
	}
	c.input = inputFor(cluster, layout, c.sites, cluster.Settings.GetRedundancy())
	if left := c.left(nodes); drains && left < int(HighestRedundancy(cluster)) {
		return nil, tooFewLeft(cluster, left)
	}
	before, err := beforeDrain(r, layout, changes, &c.input)
	if err != nil {
		return nil, err
	}
	if c.restored = before != nil && haveOwn(cluster, before); c.restored {
		c.table, c.own = tableOf(before), before.Own
	} else {
		c.table = placement.Compute(c.input)
		c.own = ownTables(cluster, layout, c.input, c.table)
	}
	return c, nil
}

// tooFewLeft refuses a drain, and tells the ways out: where more copies are asked
// for than the cluster makes, it is objects that ask.
func tooFewLeft(cluster *record.Cluster, left int) error {
	highest := HighestRedundancy(cluster)
	ways := "add nodes first"
	if asked := cluster.Counters.GetReferencesByRedundancy(); highest > cluster.Settings.GetRedundancy() {
		ways += fmt.Sprintf(", or have the buckets of the %d references that ask for %d ask for less (`ashlar bucket set --copies`, then `ashlar bucket renew`)", asked[highest], highest)
	}
	return protocol.Errorf(protocol.PreconditionFailed, "%d nodes would be left to hold %d copies of a block; %s", left, highest, ways)
}

// row is the layout that follows.
func (c *plannedChange) row() *record.Layout { return rowOf(c.table, c.own) }

// left counts the nodes that blocks are placed on and that are not away: with
// fewer than R of them no copy of a block could be dropped, so that a drain would
// not end.
func (c *plannedChange) left(nodes []*record.Node) (count int) {
	for i := range c.sites {
		if c.sites[i].placeable() && !nodes[i].Away {
			count++
		}
	}
	return count
}

// change does one change to a node.
func (s *site) change(c *pb.NodeChange) error {
	was := s.state
	switch c.Kind {
	case pb.NodeChange_ADD:
		if was != pb.NodeState_NODE_STATE_JOINING {
			return protocol.Errorf(protocol.PreconditionFailed, "node %d is %s; only a node that is joining is added", c.Node, StateName(was))
		}
		s.state = pb.NodeState_NODE_STATE_UP
	case pb.NodeChange_DRAIN:
		if !s.placeable() {
			return protocol.Errorf(protocol.PreconditionFailed, "node %d is %s; there is nothing to drain", c.Node, StateName(was))
		}
		s.state = pb.NodeState_NODE_STATE_DRAINING
	case pb.NodeChange_CANCEL_DRAIN:
		if was != pb.NodeState_NODE_STATE_DRAINING && was != pb.NodeState_NODE_STATE_DRAINED {
			return protocol.Errorf(protocol.PreconditionFailed, "node %d is %s; it is not being drained", c.Node, StateName(was))
		}
		s.state = pb.NodeState_NODE_STATE_UP
	case pb.NodeChange_WEIGHT:
		s.weight = c.Weight
	case pb.NodeChange_ZONE:
		s.zone = c.Zone
	}
	return nil
}

// beforeDrain finds the layout from before the drains that are canceled: nil if it
// is not known any more, names other nodes than these, or if more than drains has
// changed the layout since.
func beforeDrain(r Reader, present *record.Layout, changes []*pb.NodeChange, in *placement.Input) (*record.Layout, error) {
	if len(changes) == 0 || !onlyDrains(changes) || slices.ContainsFunc(changes, func(c *pb.NodeChange) bool { return c.Kind == pb.NodeChange_DRAIN }) {
		return nil, nil
	}
	for at := present; len(at.Changes) > 0 && onlyDrains(at.Changes); {
		before := &record.Layout{}
		if known, err := load(r, keyLayoutAt(at.LayoutVersion-1), before); err != nil || !known {
			return nil, err
		}
		if drained(at.Changes, changes) && fits(before, in) {
			return before, nil
		}
		at = before
	}
	return nil, nil
}

func onlyDrains(changes []*pb.NodeChange) bool {
	return !slices.ContainsFunc(changes, func(c *pb.NodeChange) bool {
		return c.Kind != pb.NodeChange_DRAIN && c.Kind != pb.NodeChange_CANCEL_DRAIN
	})
}

// drained: a layout's changes drained one of the nodes.
func drained(changes, canceled []*pb.NodeChange) bool {
	return slices.ContainsFunc(changes, func(c *pb.NodeChange) bool {
		return c.Kind == pb.NodeChange_DRAIN && slices.ContainsFunc(canceled, func(o *pb.NodeChange) bool { return o.Node == c.Node })
	})
}

// fits: the layout names just these nodes, as many a partition as it should.
func fits(l *record.Layout, in *placement.Input) bool {
	if int(l.Width) != min(len(in.Nodes), in.Redundancy+in.Spares) {
		return false
	}
	var named []uint32
	for _, node := range tableOf(l).Places {
		if at, found := slices.BinarySearch(named, node); !found {
			named = slices.Insert(named, at, node)
		}
	}
	return slices.EqualFunc(named, in.Nodes, func(id uint32, n placement.Node) bool { return id == n.ID })
}

// LayoutPlan is what a change of layout would do: all of pb.LayoutPlanAnswer but
// the risks, which need an observation as well.
type LayoutPlan struct {
	*pb.LayoutPlanAnswer
	// Restored: it is the very table from before a drain that is canceled.
	Restored bool
}

// PlanLayout plans changes of layout as ChangeLayout would apply them now. Its
// answer holds what the command needs. What the change moves is estimated from the
// present fill, places being of one size.
func PlanLayout(r Reader, changes []*pb.NodeChange) (*LayoutPlan, error) {
	if err := checkNodeChanges(changes); err != nil {
		return nil, err
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	p, err := PlacingOf(r)
	if err != nil {
		return nil, err
	}
	c, err := planChange(r, cluster, p.Nodes, p.Layout, changes)
	if err != nil {
		return nil, err
	}
	digest := digestOf(c.row())
	before := tableOf(p.Layout)
	moved := placement.Moved(before, c.table, c.input.Redundancy)
	answer := &pb.LayoutPlanAnswer{
		LayoutVersion: cluster.LayoutVersion, Algorithm: LayoutAlgorithm, TableDigest: digest[:], Changes: plainChanges(changes),
		MovedPlaces: uint32(moved), LeastPlaces: uint32(placement.Least(c.input)),
		MovedBlocks: ofPlaces(moved, cluster.Counters.GetLiveBlocks()), MovedBytes: ofPlaces(moved, cluster.Counters.GetLiveStoredBytes()),
		Redundancy: cluster.Settings.GetRedundancy(), Zones: uint32(zonesOf(c.input.Nodes)),
	}
	answer.Shares = sharesOf(p, c, before, cluster.Counters.GetLiveStoredBytes())
	return &LayoutPlan{answer, c.restored}, nil
}

// ofPlaces is the part of all blocks, or bytes, that stands in so many places.
func ofPlaces(places int, all uint64) uint64 {
	high, low := bits.Mul64(uint64(places), all)
	quotient, _ := bits.Div64(high%protocol.Partitions, low, protocol.Partitions)
	return quotient
}

func zonesOf(nodes []placement.Node) int {
	var zones []string
	for _, n := range nodes {
		if !slices.Contains(zones, n.Zone) {
			zones = append(zones, n.Zone)
		}
	}
	return len(zones)
}

// sharesOf lists the members that hold something before or after.
func sharesOf(p *Placing, c *plannedChange, before placement.Table, bytes uint64) (shares []*pb.LayoutShare) {
	was, becomes := placesBy(before, int(p.Redundancy), len(p.Nodes)), placesBy(c.table, int(p.Redundancy), len(p.Nodes))
	for i, n := range p.Nodes {
		if !isMember(n) || n.Copies == 0 && was[i] == 0 && becomes[i] == 0 {
			continue
		}
		shares = append(shares, &pb.LayoutShare{
			Node: uint32(i + 1), Zone: c.sites[i].zone, CapacityBytes: c.sites[i].capacity, PlacesBefore: was[i], PlacesAfter: becomes[i],
			BytesBefore: n.CopiesStoredBytes, BytesAfter: ofPlaces(int(becomes[i]), bytes),
		})
	}
	return shares
}

// placesBy counts the wanted places on each of so many nodes.
func placesBy(t placement.Table, redundancy, nodes int) []uint32 {
	counts := make([]uint32, nodes)
	for at, node := range t.Places {
		if at%t.Width < redundancy && node > 0 && int(node) <= nodes {
			counts[node-1]++
		}
	}
	return counts
}
