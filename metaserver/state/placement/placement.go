package placement

import (
	"encoding/binary"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Node is a node that may be placed: a member that is not away.
type Node struct {
	ID uint32
	// Zone is where it stands. Nodes of one zone are thought to fail together.
	Zone string
	// Weight is its capacity in any unit, the same for all nodes; above 0.
	Weight uint64
}

// Table names the places of every partition. Places of partition p are
// Places[p*Width:(p+1)*Width], best first: the wanted ones, then the spares.
type Table struct {
	Width  int
	Places []uint32
}

// Input is all that a table depends on.
type Input struct {
	// Nodes are sorted by ID, which are distinct and above 0.
	Nodes []Node
	// Redundancy is R, the number of wanted places of a partition, and Spares
	// how many places follow them. With too few nodes there are fewer of both.
	Redundancy, Spares int
	Partitions         int
	// Previous is the table in force. One of another number of partitions, or
	// none, keeps nothing.
	Previous Table
	// PreviousRedundancy is how many places of Previous were wanted; 0 stands
	// for Redundancy.
	PreviousRedundancy int
}

// Compute makes the table of algorithm 1 (package comment). It is a function of
// its input, the same on every replica and in every build.
func Compute(in Input) Table {
	b := newBoard(in)
	if b.wanted == 0 {
		return Table{}
	}
	b.keep()
	b.place()
	width := min(len(in.Nodes), b.wanted+max(in.Spares, 0))
	out := Table{Width: width, Places: make([]uint32, 0, width*in.Partitions)}
	firsts := b.firsts()
	spares := b.spares(width - b.wanted)
	for p := range in.Partitions {
		for _, v := range b.ordered(p, firsts[p]) {
			out.Places = append(out.Places, b.nodes[v].ID)
		}
		for _, v := range spares[p*(width-b.wanted) : (p+1)*(width-b.wanted)] {
			out.Places = append(out.Places, b.nodes[v].ID)
		}
	}
	return out
}

// Digest names a table: BLAKE3-256 of the width and the places, each as 32 bits,
// big endian.
func Digest(t Table) [32]byte {
	plain := binary.BigEndian.AppendUint32(make([]byte, 0, 4+4*len(t.Places)), uint32(t.Width))
	for _, id := range t.Places {
		plain = binary.BigEndian.AppendUint32(plain, id)
	}
	return protocol.HashOf(plain)
}

// Quotas answers how many wanted places each node of the input gets, in the order
// of Input.Nodes. They depend on the nodes alone, not on the table before.
func Quotas(in Input) []int {
	rule := zoneRule(in.Nodes, in.Redundancy)
	return apportion(in.Nodes, rule, in.Partitions)
}

// Moved counts the wanted places after whose node was not wanted there before.
// Redundancy is that of both tables.
func Moved(before, after Table, redundancy int) int {
	return moved(before, redundancy, after, redundancy)
}

// MovedFrom counts as Moved does, from the input's previous table and by its two
// redundancies.
func MovedFrom(in Input, after Table) int {
	return moved(in.Previous, in.keptRedundancy(), after, in.Redundancy)
}

func moved(before Table, wantedBefore int, after Table, wantedAfter int) (moved int) {
	for p := range after.partitions() {
		was := before.wanted(p, wantedBefore)
		for _, id := range after.wanted(p, wantedAfter) {
			if !contains(was, id) {
				moved++
			}
		}
	}
	return moved
}

// Least is a lower bound of what any table with the quotas of this input moves:
// the places that nodes gain over what they hold. Zones may make it larger.
func Least(in Input) int {
	held := make([]int, len(in.Nodes))
	if in.Previous.partitions() == in.Partitions {
		for p := range in.Partitions {
			for _, id := range in.Previous.wanted(p, in.keptRedundancy()) {
				if v := indexOf(in.Nodes, id); v >= 0 {
					held[v]++
				}
			}
		}
	}
	least := 0
	for v, quota := range Quotas(in) {
		least += max(0, quota-held[v])
	}
	return least
}

func (in Input) keptRedundancy() int {
	if in.PreviousRedundancy > 0 {
		return in.PreviousRedundancy
	}
	return in.Redundancy
}

// partitions is how many partitions t has, 0 if it is no table.
func (t Table) partitions() int {
	if t.Width <= 0 || len(t.Places)%t.Width != 0 {
		return 0
	}
	return len(t.Places) / t.Width
}

// wanted are the first places of a partition, none beyond the table.
func (t Table) wanted(p, redundancy int) []uint32 {
	if p >= t.partitions() {
		return nil
	}
	return t.Places[p*t.Width : p*t.Width+max(0, min(t.Width, redundancy))]
}

// indexOf finds a node by its ID, or answers -1.
func indexOf(nodes []Node, id uint32) int {
	low, high := 0, len(nodes)
	for low < high {
		if middle := (low + high) / 2; nodes[middle].ID < id {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(nodes) && nodes[low].ID == id {
		return low
	}
	return -1
}

func contains[T comparable](list []T, x T) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}
