package placement

// nobody stands in a place that has no node yet.
const nobody = -1

// board is a table in the making. Nodes, zones and partitions are numbers from 0.
type board struct {
	rule
	nodes      []Node
	partitions int
	quota      []int
	// load is how many wanted places each node has now, and free what its zone
	// lacks: the sum of quota-load over the zone's nodes below their quota.
	load, free []int
	// places are the wanted places, those of partition p at p*wanted.
	places []int
	// extras counts, for each partition, the zones above their base.
	extras []int
	// had names the nodes that were wanted in each partition before, hadWidth of
	// them, and stood the spares behind them.
	had, stood           []int
	hadWidth, stoodWidth int
	// at lists the partitions of each node.
	at [][]int
}

func newBoard(in Input) *board {
	b := &board{rule: zoneRule(in.Nodes, in.Redundancy), nodes: in.Nodes, partitions: max(in.Partitions, 0)}
	if b.partitions == 0 {
		b.wanted = 0
	}
	b.quota = apportion(b.nodes, b.rule, b.partitions)
	b.load = make([]int, len(b.nodes))
	b.at = make([][]int, len(b.nodes))
	b.free = make([]int, len(b.base))
	for v, z := range b.zone {
		b.free[z] += b.quota[v]
	}
	b.extras = make([]int, b.partitions)
	b.places = make([]int, b.partitions*b.wanted)
	for i := range b.places {
		b.places[i] = nobody
	}
	if before := in.Previous; before.partitions() == b.partitions && b.partitions > 0 {
		b.hadWidth = min(before.Width, in.keptRedundancy())
		b.stoodWidth = before.Width - b.hadWidth
		for p := range b.partitions {
			row := before.Places[p*before.Width : (p+1)*before.Width]
			b.had = b.numbers(b.had, row[:b.hadWidth])
			b.stood = b.numbers(b.stood, row[b.hadWidth:])
		}
	}
	return b
}

// numbers appends the numbers of nodes, nobody for those that are no more and for
// a node named twice.
func (b *board) numbers(to []int, ids []uint32) []int {
	for i, id := range ids {
		v := indexOf(b.nodes, id)
		if contains(ids[:i], id) {
			v = nobody
		}
		to = append(to, v)
	}
	return to
}

func (b *board) row(p int) []int { return b.places[p*b.wanted : (p+1)*b.wanted] }

func (b *board) before(p int) []int { return b.had[p*b.hadWidth : (p+1)*b.hadWidth] }

func (b *board) sparesBefore(p int) []int { return b.stood[p*b.stoodWidth : (p+1)*b.stoodWidth] }

// lacks is how many places v is short of its quota.
func (b *board) lacks(v int) int { return max(0, b.quota[v]-b.load[v]) }

// unmet reports whether a node is below its quota.
func (b *board) unmet() bool {
	for _, lacks := range b.free {
		if lacks > 0 {
			return true
		}
	}
	return false
}

// count is how many places of a partition stand in zone z, that of node without
// not among them.
func (b *board) count(p, z, without int) (n int) {
	for _, v := range b.row(p) {
		if v != nobody && v != without && b.zone[v] == z {
			n++
		}
	}
	return n
}

// fits reports whether zone z may have one more place of partition p once node
// without has left it; nobody leaves if that is nobody.
func (b *board) fits(p, z, without int) bool {
	n := b.count(p, z, without)
	if n < b.base[z] {
		return true
	}
	if n > b.base[z] || !b.open[z] {
		return false
	}
	extras := b.extras[p]
	if without != nobody {
		if left := b.zone[without]; b.count(p, left, nobody) > b.base[left] {
			extras--
		}
	}
	return extras < b.extra
}

// put gives the place of node from (nobody for an empty place) in partition p to
// node to.
func (b *board) put(p, from, to int) {
	row := b.row(p)
	for i := range row {
		if row[i] == from {
			row[i] = to
			break
		}
	}
	if from != nobody {
		b.change(from, -1)
		b.at[from] = without(b.at[from], p)
	}
	if to != nobody {
		b.change(to, 1)
		b.at[to] = append(b.at[to], p)
	}
	b.extras[p] = 0
	for i, v := range row {
		// A zone is above its base at the place that takes it there.
		if v != nobody && b.countUpTo(row[:i+1], b.zone[v]) == b.base[b.zone[v]]+1 {
			b.extras[p]++
		}
	}
}

func (b *board) countUpTo(row []int, z int) (n int) {
	for _, v := range row {
		if v != nobody && b.zone[v] == z {
			n++
		}
	}
	return n
}

// change moves a node's load, and its zone's want with it.
func (b *board) change(v, by int) {
	b.free[b.zone[v]] -= b.lacks(v)
	b.load[v] += by
	b.free[b.zone[v]] += b.lacks(v)
}

// without takes the first x out of list; the last takes its place.
func without(list []int, x int) []int {
	for i := range list {
		if list[i] == x {
			list[i] = list[len(list)-1]
			return list[:len(list)-1]
		}
	}
	return list
}

// keep takes over what was there, as far as the zones allow: first for nodes that
// are below their quotas, then for the others, which give away later.
func (b *board) keep() {
	for _, beyond := range []bool{false, true} {
		for p := range b.partitions {
			for _, v := range b.before(p) {
				if v == nobody || !beyond && b.load[v] >= b.quota[v] || contains(b.row(p), v) {
					continue
				}
				if b.fits(p, b.zone[v], nobody) {
					b.put(p, nobody, v)
				}
			}
		}
	}
}
