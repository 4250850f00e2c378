package state

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// mention is one distinct hash of a command and what happens to its record.
type mention struct {
	plain, stored uint32
	// count is k of reclamation.md: k mentions of a hash are k references. They ask
	// for redundancy.
	count      uint64
	redundancy uint32
	// claims are the command's for this hash: of members in their current
	// incarnation, one a node with the largest u, sorted by node.
	claims []heldClaim
	draft
	// becomes is what follows from the record as judged.
	becomes change
}

type heldClaim struct {
	mention int
	node    uint32
	version protocol.Version
}

// hashAt returns hash i of a packed list.
func hashAt(packed []byte, i int) []byte {
	return packed[i*protocol.HashSize : (i+1)*protocol.HashSize : (i+1)*protocol.HashSize]
}

// mentions groups blocks by hash, in hash order, and hands each group its
// claims. Two mentions of a hash with different lengths are InvalidArgument.
func (a *applier) mentions(b *pb.Blocks, claims []*pb.Claim) ([]mention, error) {
	n := len(b.PlainSizes)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return bytes.Compare(hashAt(b.Hashes, i), hashAt(b.Hashes, j)) })
	groups := make([]mention, 0, n)
	groupOf := make([]int, n)
	for _, i := range order {
		last := len(groups) - 1
		if last < 0 || !bytes.Equal(groups[last].hash, hashAt(b.Hashes, i)) {
			groups = append(groups, mention{draft: draft{hash: hashAt(b.Hashes, i)}, plain: b.PlainSizes[i], stored: b.StoredSizes[i]})
			last++
		} else if groups[last].plain != b.PlainSizes[i] {
			return nil, protocol.Errorf(protocol.InvalidArgument, "block %d has %d bytes here and %d elsewhere in the same request", i, b.PlainSizes[i], groups[last].plain)
		}
		groups[last].count++
		groupOf[i] = last
	}
	a.handOut(groups, groupOf, claims)
	return groups, nil
}

// handOut gives each group those of its claims that stand: of a member, in its
// current incarnation, on a disk it has shown. The floor is judged later, by
// the rule that knows the record.
func (a *applier) handOut(groups []mention, groupOf []int, claims []*pb.Claim) {
	held := make([]heldClaim, 0, len(claims))
	for _, c := range claims {
		if a.stands(c) {
			held = append(held, heldClaim{groupOf[c.Block], c.Node, claimVersion(c)})
		}
	}
	slices.SortFunc(held, func(x, y heldClaim) int {
		if c := cmp.Compare(x.mention, y.mention); c != 0 {
			return c
		}
		if c := cmp.Compare(x.node, y.node); c != 0 {
			return c
		}
		return y.version.Compare(x.version)
	})
	if a.m.holds(DistinctNodes) {
		held = slices.CompactFunc(held, func(x, y heldClaim) bool { return x.mention == y.mention && x.node == y.node })
	}
	for from := 0; from < len(held); {
		to := from
		for to < len(held) && held[to].mention == held[from].mention {
			to++
		}
		groups[held[from].mention].claims = held[from:to]
		from = to
	}
}

func claimVersion(c *pb.Claim) protocol.Version {
	return protocol.Version{Generation: c.Generation, Counter: c.Counter}
}

// stands is the part of "believed claim" that no block record decides. A version
// that was never given out is not believed either: no node can have been told it.
func (a *applier) stands(c *pb.Claim) bool {
	return a.member(c.Node) && (a.present(c) || !a.m.holds(RegisterIncarnation)) && !a.version().Less(claimVersion(c))
}

// present: the claim is of the node's current incarnation, on a disk it has shown.
func (a *applier) present(c *pb.Claim) bool {
	n := a.node(c.Node)
	return c.Incarnation == n.Incarnation && uint64(c.Disk) < uint64(len(n.Disks))
}

// raiseAcks notes the acknowledgement counts that claims carry, of members in
// their current incarnation: a disk that later shows less was rolled back
// (reclamation.md, Register). It reports whether a count rose.
func (a *applier) raiseAcks(claims []*pb.Claim) bool {
	rose := false
	for _, c := range claims {
		if !a.stands(c) || !a.present(c) {
			continue
		}
		if disk := a.node(c.Node).Disks[c.Disk]; disk.Acks < c.Ack {
			disk.Acks = c.Ack
			a.touchNode(c.Node)
			rose = true
		}
	}
	return rose
}

// readMentions fetches the record of each hash.
func (a *applier) readMentions(groups []mention) {
	for i := range groups {
		groups[i].draft = a.open(groups[i].hash)
	}
}

// reference is Commit's rule on blocks (reclamation.md, Commit): every hash gains
// its references, or none does and the refusal is returned. Its caller has judged
// everything else before.
func (a *applier) reference(groups []mention, redundancy uint32, claims []*pb.Claim) (refusal *record.Result) {
	a.readMentions(groups)
	var refused []byte
	for i := range groups {
		groups[i].redundancy = redundancy
		if !a.judge(&groups[i]) {
			refused = append(refused, groups[i].hash...)
		}
	}
	if refused != nil {
		return a.claimsRefused(refused)
	}
	if refusal = a.roomFor(groups); refusal != nil || a.err != nil {
		return refusal
	}
	for i := range groups {
		a.replace(&groups[i].draft, groups[i].becomes)
	}
	a.raiseAcks(claims)
	return nil
}

// roomFor refuses what the rest of the entry has no room for: what the records
// become decides how many rows of the schedule follow. A page alone in its entry has
// room (protocol.MaxBlocksPerPage), unless it names more nodes than a cluster has,
// since many that were removed are not cleaned yet.
func (a *applier) roomFor(groups []mention) *record.Result {
	rows := 0
	for i := range groups {
		m := &groups[i]
		m.becomes = a.changeTo(&m.draft, a.become(&m.draft))
		rows += m.becomes.rows()
	}
	rows += a.nodesNamedBy(groups)
	switch {
	case a.room(rows):
		return nil
	case rows+reservedRows > protocol.MaxEntryRows:
		return a.refuse(protocol.LimitExceeded, "the request touches up to %d rows, of %d that an entry may; name fewer blocks in one", rows, protocol.MaxEntryRows)
	}
	return a.refuse(protocol.Busy, "the entry touches too many rows; send the request again")
}

// nodesNamedBy counts the nodes whose rows the groups may touch, each once, those
// left out whose rows the entry touches already.
func (a *applier) nodesNamedBy(groups []mention) (count int) {
	seen := make([]bool, len(a.m.nodes))
	for _, i := range a.dirty {
		seen[i] = true
	}
	name := func(id uint32) {
		if a.node(id) != nil && !seen[id-1] {
			seen[id-1] = true
			count++
		}
	}
	for i := range groups {
		m := &groups[i]
		m.becomes.eachNode(&m.draft, name)
		for _, c := range m.claims {
			name(c.node)
		}
	}
	return count
}

// floorOf is fl(h): the record's floor, or W where there is no row; never below F.
func floorOf(c *record.Cluster, b *record.Block) protocol.Version {
	floor := fromPB(c.First)
	if b.Phase == record.Block_NONE {
		return floor.Max(fromPB(c.Watermark))
	}
	return floor.Max(fromPB(b.Floor))
}

// judge changes the record in hand as Commit does, or reports that the hash is
// refused. The record is not stored yet.
func (a *applier) judge(m *mention) bool {
	believed := a.believed(m)
	quorum := int(a.quorumFor(m))
	switch m.row.Phase {
	case record.Block_LIVE, record.Block_UNREFERENCED:
		for _, c := range believed {
			m.row.Copies, _ = raiseHeld(m.row.Copies, c.node, c.version)
		}
		if a.trustedCopies(m.row) < quorum && a.m.holds(QuorumOnLive) {
			return false
		}
		m.row.Phase = record.Block_LIVE
	case record.Block_CONDEMNED:
		if len(believed) < quorum {
			return false
		}
		a.revive(m.row, believed)
	default:
		if len(believed) < quorum {
			return false
		}
		*m.row = record.Block{
			Phase: record.Block_LIVE, Floor: toPB(a.rowFloor()), Copies: copiesOf(believed),
			PlainSize: m.plain, StoredSize: m.stored,
		}
	}
	gainReferences(m.row, m.redundancy, m.count)
	return true
}

func (a *applier) quorumFor(m *mention) uint32 {
	if !a.m.holds(QuorumOfHighest) {
		return settingsOf(a.cluster).asked(m.redundancy).quorum
	}
	return quorumWith(settingsOf(a.cluster), m.row, m.redundancy)
}

// quorumWith is Q of a block as it becomes with a reference that asks for
// redundancy.
func quorumWith(limits thresholds, b *record.Block, redundancy uint32) uint32 {
	r := limits.asked(redundancy)
	if b.Phase == record.Block_LIVE {
		r = limits.at(max(r.redundancy, limits.of(b).redundancy))
	}
	return r.quorum
}

// believed are the claims at or above fl(h).
func (a *applier) believed(m *mention) []heldClaim {
	rule := FloorNoRow
	switch m.row.Phase {
	case record.Block_LIVE, record.Block_UNREFERENCED:
		rule = FloorOnLive
	case record.Block_CONDEMNED:
		rule = FloorOnCondemned
	}
	if !a.m.holds(rule) {
		return m.claims
	}
	floor := floorOf(a.cluster, m.row)
	return slices.DeleteFunc(slices.Clone(m.claims), func(c heldClaim) bool { return c.version.Less(floor) })
}

// rowFloor is a new record's floor: fl(h) of where there was none.
func (a *applier) rowFloor() protocol.Version {
	if !a.m.holds(RowFloorIsWatermark) {
		return fromPB(a.cluster.First)
	}
	return floorOf(a.cluster, &record.Block{})
}

// revive brings a condemned record back. Nodes that have not acknowledged the
// deletion and are not believed keep the condemnation's own t as a drop: a new t
// without raising the floor would delete a fresh copy.
func (a *applier) revive(b *record.Block, believed []heldClaim) {
	condemned := fromPB(b.Floor)
	if !a.m.holds(ReviveKeepsT) {
		condemned = a.upcoming()
	}
	b.Copies = copiesOf(believed)
	for _, node := range b.Pending {
		if _, found := findHeld(b.Copies, node); !found {
			b.Drops, _ = raiseHeld(b.Drops, node, condemned)
		}
	}
	b.Pending = nil
	b.Phase = record.Block_LIVE
}

func copiesOf(believed []heldClaim) []*record.Held {
	copies := make([]*record.Held, 0, len(believed))
	for _, c := range believed {
		copies, _ = raiseHeld(copies, c.node, c.version)
	}
	return copies
}

// trustedCopies counts the copies that quorums may count, of distinct nodes.
func (a *applier) trustedCopies(b *record.Block) int {
	trusted := 0
	for _, c := range b.Copies {
		if a.trusts(c.Node, heldVersion(c)) {
			trusted++
		}
	}
	return trusted
}
