package schedule

import (
	"bytes"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Walk is what one page of a node's inventory leads to.
type Walk struct {
	// Orders go to the node, Commands to the log.
	Orders   []*pb.Order
	Commands []*record.Command
	// Open counts the copies of the range that the records count on the node and
	// that the page does not bear out, or that cannot be asked about now. While any
	// is open the node's inventory is not taken.
	Open int
	// Upto is how far the range was judged: go on after it.
	Upto protocol.Hash
	// Waits is the highest version of a file that waits for W to pass it; zero: none.
	Waits protocol.Version
	// Strays counts the files that no record counts or waits for.
	Strays int
}

// Strays judges one page of node's inventory by the rule Stray of reclamation.md:
// page has what the node holds with hashes in (from, to]. Counted copies that the
// page lacks, or shows as bad, are verified; those at a lower version than
// counted, as after a disk was rolled back, are touched, which verifies them too,
// and so are all that are suspect.
//
// The page was read before r, and a file may have come or gone meanwhile. That is
// harmless: a verify finds a file that has come, and every other order goes by
// versions.
func Strays(r state.Reader, obs Observation, node protocol.NodeID, page *pb.InventoryPage, from, to protocol.Hash) (Walk, error) {
	pic, err := look(r)
	if err != nil {
		return Walk{}, err
	}
	obs.Limits = obs.Limits.withDefaults()
	w := &walker{picture: pic, obs: obs, node: uint32(node)}
	if err := w.missing(page.GetItems(), from, to); err != nil {
		return Walk{}, err
	}
	for _, item := range page.GetItems() {
		h, err := protocol.HashFromBytes(item.GetHash())
		if err != nil {
			return Walk{}, err
		}
		if h.Compare(from) <= 0 || h.Compare(w.out.Upto) > 0 {
			continue
		}
		if err := w.file(h, item); err != nil {
			return Walk{}, err
		}
	}
	w.flush()
	number(w.out.Orders)
	return w.out, nil
}

type walker struct {
	picture
	obs   Observation
	node  uint32
	out   Walk
	drops []*record.NodeBlock
}

// maxWalkBlocks bounds the records that one call compares with a page.
const maxWalkBlocks = 4 * protocol.MaxInventoryPage

// missing looks for counted copies that the page lacks, and settles how far this
// call goes.
func (w *walker) missing(items []*pb.InventoryItem, from, to protocol.Hash) error {
	w.out.Upto = to
	at, seen := 0, 0
	return state.ScanBlocks(w.r, from, maxWalkBlocks+1, func(h protocol.Hash, b *record.Block) bool {
		if h.Compare(to) > 0 {
			return false
		}
		if seen++; seen > maxWalkBlocks {
			return false
		}
		if seen == maxWalkBlocks {
			w.out.Upto = h
		}
		for at < len(items) && bytes.Compare(items[at].Hash, h[:]) < 0 {
			at++
		}
		if at == len(items) || !bytes.Equal(items[at].Hash, h[:]) {
			w.doubt(h, b)
		}
		return true
	})
}

// doubt has the node verify a copy that is counted on it.
func (w *walker) doubt(h protocol.Hash, b *record.Block) {
	c := copyOn(b, w.node)
	if c == nil {
		return
	}
	w.out.Open++
	w.order(h, verifyOrder(h, heldVersion(c)))
}

// order adds one, unless another for the same copy is in flight.
func (w *walker) order(h protocol.Hash, o *pb.Order) {
	if !w.obs.inFlight(h, w.node) {
		w.out.Orders = append(w.out.Orders, o)
	}
}

// file judges one file of the page.
func (w *walker) file(h protocol.Hash, item *pb.InventoryItem) error {
	b, found, err := state.BlockRow(w.r, h)
	if err != nil {
		return err
	}
	if !found {
		b = nil
	}
	v := versionOf(item.Version)
	if c := copyOn(b, w.node); c != nil {
		w.counted(h, b, c, item)
		return nil
	}
	if _, due := deleteBelow(b, w.node); due {
		return nil // the schedule has it
	}
	w.out.Strays++
	switch b.GetPhase() {
	case record.Block_LIVE, record.Block_UNREFERENCED:
		w.placeable(h, b)
	default:
		if v.Less(w.floor(b)) {
			if !w.paused(state.ClassDelete) {
				w.order(h, deleteOrder(h, w.floor(b)))
			}
			return nil
		}
		w.out.Waits = w.out.Waits.Max(v)
	}
	return nil
}

// counted looks whether the file bears out the copy that is counted. A page is no
// acknowledgement: what it shows need not be durable, and no count tells if it is
// rolled back afterwards. So a suspect copy has to be claimed anew, by a touch,
// and is no longer suspect then by its version.
func (w *walker) counted(h protocol.Hash, b *record.Block, c *record.Held, item *pb.InventoryItem) {
	due := versionOf(w.picture.node(w.node).GetInventoryDue())
	switch {
	case item.State != stateGood:
		w.doubt(h, b)
	case versionOf(item.Version).Less(heldVersion(c)) || heldVersion(c).Less(due):
		w.out.Open++
		w.order(h, w.copyOrder(h, w.sources(h, b)))
	}
}

// stateGood is how an inventory calls a file whose header reads well.
const stateGood = "good"

// placeable deals with a stray of a block that is in use or may be again: its
// bytes are claimed anew by a touch, or dropped where they are not wanted.
func (w *walker) placeable(h protocol.Hash, b *record.Block) {
	if w.wanted(h, b, w.node) || !w.droppable(h, b, w.node) {
		if !w.paused(state.ClassRedundancy) {
			w.order(h, w.copyOrder(h, w.sources(h, b)))
		}
		return
	}
	if !w.paused(state.ClassMove) && !w.obs.inFlight(h, w.node) {
		w.drops = append(w.drops, &record.NodeBlock{Hash: h[:], Node: w.node})
	}
}

func (w *walker) sources(h protocol.Hash, b *record.Block) []string {
	return w.sourcesOf(&w.obs, b, w.node, seedOf(h))
}

func (w *walker) flush() {
	for size := w.obs.Limits.Batch; len(w.drops) > 0; {
		n := min(size, len(w.drops))
		w.out.Commands = append(w.out.Commands, &record.Command{Body: &record.Command_Drop{Drop: &record.Drop{Items: w.drops[:n]}}})
		w.drops = w.drops[n:]
	}
}

// Verify makes orders that have nodes look at copies that somebody doubts, such
// as a reader that got bad bytes; by node, sorted. Copies that are not counted
// or in flight, and nodes that do not answer, are passed over. refs are sorted.
func Verify(r state.Reader, obs Observation, refs []Ref) ([]NodeOrders, error) {
	var out []NodeOrders
	for i := range obs.Nodes {
		n := &obs.Nodes[i]
		if !n.Reachable {
			continue
		}
		batch := NodeOrders{Node: n.ID, Address: n.Address}
		for _, ref := range refs {
			if ref.Node != n.ID || obs.inFlight(ref.Hash, uint32(n.ID)) {
				continue
			}
			b, _, err := state.BlockRow(r, ref.Hash)
			if err != nil {
				return nil, err
			}
			if c := copyOn(b, uint32(n.ID)); c != nil {
				batch.Orders = append(batch.Orders, verifyOrder(ref.Hash, heldVersion(c)))
			}
		}
		if len(batch.Orders) > 0 {
			number(batch.Orders)
			out = append(out, batch)
		}
	}
	return out, nil
}

// verifyOrder asks for the copy counted at u.
func verifyOrder(h protocol.Hash, u protocol.Version) *pb.Order {
	return &pb.Order{Kind: pb.OrderKind_ORDER_KIND_VERIFY, Hash: h[:], Version: wire(u)}
}

// Doubts are the copies that a failed copy order casts a doubt on: those counted
// elsewhere, which the node could not fetch good bytes from.
func Doubts(r state.Reader, node protocol.NodeID, sent []*pb.Order, answers []*pb.OrderAnswer) ([]Ref, error) {
	var out []Ref
	orders := append([]*pb.Order(nil), sent...)
	for _, a := range answers {
		o := take(orders, a.GetId())
		if o == nil || o.Kind != pb.OrderKind_ORDER_KIND_COPY || a.Outcome != pb.Outcome_OUTCOME_FAILED || !ofSource(protocol.Kind(a.Kind)) {
			continue
		}
		h, err := protocol.HashFromBytes(o.Hash)
		if err != nil {
			return nil, err
		}
		b, _, err := state.BlockRow(r, h)
		if err != nil {
			return nil, err
		}
		for _, c := range b.GetCopies() {
			if protocol.NodeID(c.Node) != node {
				out = append(out, Ref{h, protocol.NodeID(c.Node)})
			}
		}
	}
	SortRefs(out)
	return out, nil
}

// ofSource: the failure tells that a source has no good bytes.
func ofSource(k protocol.Kind) bool {
	switch k {
	case protocol.NotFound, protocol.HashMismatch, protocol.Quarantined, protocol.Corrupt, protocol.DataLost, protocol.SizeExceeded:
		return true
	}
	return false
}
