package state

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// maxPastStarts bounds the starts of a node that are told from new ones when a
// request is repeated late.
const maxPastStarts = 8

func checkRegister(q *pb.RegisterRequest) error {
	if err := checkID("a node", q.Identity); err != nil {
		return err
	}
	if err := checkID("a node's start", q.Start); err != nil {
		return err
	}
	if err := protocol.CheckGeneration(q.HighestSeen.GetGeneration()); err != nil {
		return err
	}
	if err := checkAddress(q.Address); err != nil {
		return err
	}
	if err := checkZone(q.Zone); err != nil {
		return err
	}
	if len(q.Disks) == 0 || len(q.Disks) > protocol.MaxDisks {
		return protocol.Errorf(protocol.InvalidArgument, "a node has 1 to %d disks, not %d", protocol.MaxDisks, len(q.Disks))
	}
	for i, d := range q.Disks {
		if err := checkID("a disk", d.Disk); err != nil {
			return err
		}
		if slices.ContainsFunc(q.Disks[:i], func(other *pb.DiskInfo) bool { return bytes.Equal(other.Disk, d.Disk) }) {
			return protocol.Errorf(protocol.InvalidArgument, "disk %x stands twice", d.Disk)
		}
	}
	return nil
}

func checkZone(zone string) error {
	if len(zone) > protocol.MaxZoneLength || !utf8.ValidString(zone) {
		return protocol.Errorf(protocol.InvalidArgument, "a zone's name is at most %d bytes of UTF-8", protocol.MaxZoneLength)
	}
	return nil
}

// register starts a node's new incarnation, so that claims still in flight from
// before are refused, and judges its disks' counts (reclamation.md, Register). A
// repeated request of the same start has the same answer. An identity that the
// log does not know becomes a new node.
func (a *applier) register(q *pb.RegisterRequest) *record.Result {
	if seen := fromPB(q.HighestSeen); a.version().Less(seen) {
		return a.meet(seen)
	}
	if a.cluster.Met != nil {
		return a.rolledBack()
	}
	id, known := a.nodeByIdentity(q.Identity)
	if a.err != nil {
		return a.done()
	}
	if !known {
		if members(a.m.nodes) >= protocol.MaxNodes {
			return a.refuse(protocol.LimitExceeded, "there are %d blockservers, which is the limit", protocol.MaxNodes)
		}
		id = a.admit(q.Identity)
	}
	n := a.node(id)
	switch {
	case !isMember(n):
		return a.refuse(protocol.Removed, "node %d was removed; its machine may join as a new node, with a new identity", id)
	case bytes.Equal(n.Start, q.Start):
		return a.registered(id)
	case slices.ContainsFunc(n.PastStarts, func(s []byte) bool { return bytes.Equal(s, q.Start) }):
		return a.refuse(protocol.StaleRequest, "node %d has started again since this request was made", id)
	}
	a.start(id, n, q)
	return a.registered(id)
}

func members(nodes []*record.Node) (count int) {
	for _, n := range nodes {
		if isMember(n) {
			count++
		}
	}
	return count
}

func (a *applier) nodeByIdentity(identity []byte) (id uint32, known bool) {
	value, ok, _ := a.Get(keyIdentity(identity))
	if !ok {
		return 0, false
	}
	if len(value) != 4 {
		a.fail(protocol.Errorf(protocol.Corrupt, "the row of identity %x is damaged", identity))
		return 0, false
	}
	return binary.BigEndian.Uint32(value), true
}

// admit numbers a new node.
func (a *applier) admit(identity []byte) uint32 {
	a.cluster.LastNode++
	id := a.cluster.LastNode
	a.m.nodes = append(a.m.nodes, &record.Node{Identity: identity, State: pb.NodeState_NODE_STATE_JOINING, StateSinceUnixMs: a.nowUnixMs})
	a.put(keyIdentity(identity), binary.BigEndian.AppendUint32(nil, id))
	return id
}

func (a *applier) start(id uint32, n *record.Node, q *pb.RegisterRequest) {
	version := a.next()
	if n.Incarnation > 0 {
		n.PastStarts = append(n.PastStarts, n.Start)
		n.PastStarts = n.PastStarts[max(0, len(n.PastStarts)-maxPastStarts):]
	}
	n.Incarnation = max(n.Incarnation, incarnationsBefore(a.cluster.Generation)) + 1
	moved := n.RegisteredZone != q.Zone
	if moved {
		n.Zone, n.RegisteredZone = q.Zone, q.Zone
	}
	n.Start, n.Address = q.Start, q.Address
	if rolledBack(n.Disks, q.Disks) && a.m.holds(RegisterCounts) {
		n.InventoryDue = toPB(version)
		a.cluster.Suspects = suspects(a.m.nodes)
	}
	n.Disks = disksShown(q.Disks)
	a.touchNode(id)
	a.takePart(id, n, moved)
}

// takePart is what a start means for placement. In a cluster without blocks a new
// node, or a new zone, is placed at once; in another it waits for a change of
// layout. A node that was down is up again, and a sweep takes back what was made
// elsewhere while it was away.
func (a *applier) takePart(id uint32, n *record.Node, moved bool) {
	joins := n.State == pb.NodeState_NODE_STATE_JOINING
	switch away := n.Away; {
	case n.State == pb.NodeState_NODE_STATE_DOWN:
		a.setNode(id, pb.NodeState_NODE_STATE_UP, false)
		if away {
			a.startSweep(SweepBack, id)
		}
	case joins && records(a.cluster.Counters) == 0:
		a.setNode(id, pb.NodeState_NODE_STATE_UP, false)
	}
	if (joins || moved) && records(a.cluster.Counters) == 0 {
		a.relayout(LayoutJoined, id, a.cluster.Settings.Redundancy)
	}
}

// incarnationsBefore is above those of every lower generation, so that metadata
// that was restored gives none out again, nor a number and incarnation that some
// node got after the backup and still acknowledges with: its claims would be
// believed as another's, or as those of a later start.
func incarnationsBefore(generation uint32) uint64 {
	return uint64(generation-firstGeneration) << 32
}

// rolledBack: the metadata has applied a higher count than a disk shows, or the
// disk is gone. The whole node is suspect then.
func rolledBack(applied []*record.Disk, shown []*pb.DiskInfo) bool {
	return slices.ContainsFunc(applied, func(d *record.Disk) bool {
		at := slices.IndexFunc(shown, func(s *pb.DiskInfo) bool { return bytes.Equal(s.Disk, d.Disk) })
		return d.Acks > 0 && (at < 0 || shown[at].Acks < d.Acks)
	})
}

// disksShown numbers the disks as the node showed them. Numbers are this
// incarnation's: claims of earlier ones are not believed, so that none is read
// with another's.
func disksShown(shown []*pb.DiskInfo) []*record.Disk {
	disks := make([]*record.Disk, len(shown))
	for i, s := range shown {
		disks[i] = &record.Disk{Disk: s.Disk, Acks: s.Acks, CapacityBytes: s.CapacityBytes, UsedBytes: s.UsedBytes}
	}
	return disks
}

func (a *applier) registered(id uint32) *record.Result {
	n := a.node(id)
	numbers := make([]uint32, len(n.Disks))
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	answer := &pb.RegisterAnswer{
		Node: id, Incarnation: n.Incarnation, Cluster: a.cluster.Cluster, DiskNumbers: numbers,
		Version: toPB(a.version()), InventoryDue: n.InventoryDue != nil,
	}
	return &record.Result{Version: answer.Version, Body: &record.Result_Register{Register: answer}}
}
