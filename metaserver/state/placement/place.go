package placement

import (
	"cmp"
	"slices"
)

// place brings every node to its quota and every partition to its R places with
// the fewest places that were not there before.
func (b *board) place() {
	s := newSearch(b)
	if b.someLeftOut() {
		for s.cheap(0) {
		}
	}
	b.direct()
	s.finish()
}

// someLeftOut reports whether a node that was wanted somewhere is not there now:
// only then can a place be filled without a move.
func (b *board) someLeftOut() bool {
	for p := range b.partitions {
		for _, v := range b.before(p) {
			if v != nobody && !contains(b.row(p), v) {
				return true
			}
		}
	}
	return false
}

// direct gives each empty place, and each place of a node above its quota, to a
// node below its quota that may have it. Partitions take turns in an order by
// hash, so that what moves is spread over all of them. Each such step is one
// move, which is the least that it can be; the few places for which there is no
// such node are left for the search.
func (b *board) direct() {
	order := make([]int, b.partitions)
	for p := range order {
		order[p] = p
	}
	slices.SortFunc(order, func(p, q int) int {
		return cmp.Or(cmp.Compare(mix(saltOrder, p, 0), mix(saltOrder, q, 0)), cmp.Compare(p, q))
	})
	d := newDirect(b)
	for turn, p := range order {
		for slot := range b.wanted {
			v := b.row(p)[slot]
			if v != nobody && b.load[v] <= b.quota[v] {
				continue
			}
			if to := d.pick(p, v, slot, b.partitions-turn); to != nobody {
				b.put(p, v, to)
			}
		}
	}
}

// direct chooses receivers.
type direct struct {
	*board
	members [][]int // nodes of each zone
	heavy   []int   // nodes that stand in so many partitions that they may become urgent
	allowed []int   // scratch: zones
	// Of the partition whose place is given, by zone and zero between two: how many
	// of its nodes stand there, and what these lack.
	stand, lacking []int
}

func newDirect(b *board) *direct {
	d := &direct{board: b, members: make([][]int, len(b.base)), stand: make([]int, len(b.base)), lacking: make([]int, len(b.base))}
	for v, z := range b.zone {
		d.members[z] = append(d.members[z], v)
		if 2*b.quota[v] > b.partitions {
			d.heavy = append(d.heavy, v)
		}
	}
	return d
}

// pick chooses who gets the place of node from in partition p: a spare of before,
// who may have copies; one that needs all partitions that are left; else any, as
// likely as it lacks places, drawn by a hash.
func (d *direct) pick(p, from, slot, left int) int {
	for _, v := range d.sparesBefore(p) {
		if v != nobody && d.may(p, from, v) {
			return v
		}
	}
	for _, v := range d.heavy {
		if d.lacks(v) >= left && d.may(p, from, v) {
			return v
		}
	}
	d.tally(p, from, 1)
	to := nobody
	if total := d.allow(p, from); total > 0 {
		to = d.draw(p, int(mix(saltPlace, p, uint32(slot))%uint64(total)))
	}
	d.tally(p, from, -1)
	return to
}

// tally adds the nodes of partition p to their zones' sums, or takes them out again
// by -1. Node from stands no more once its place is given, and lacks nothing.
func (d *direct) tally(p, from, by int) {
	for _, v := range d.row(p) {
		if v == nobody {
			continue
		}
		d.lacking[d.zone[v]] += by * d.lacks(v)
		if v != from {
			d.stand[d.zone[v]] += by
		}
	}
}

// allow finds the zones that may have the place of node from in partition p and
// lack places, and how many these lack together. It is fits for every zone; whether
// one more may be above its base is the same for all.
func (d *direct) allow(p, from int) (total int) {
	d.allowed = d.allowed[:0]
	extras := d.extras[p]
	if from != nobody && d.count(p, d.zone[from], nobody) > d.base[d.zone[from]] {
		extras--
	}
	for z, free := range d.free {
		if free == 0 || d.stand[z] > d.base[z] || d.stand[z] == d.base[z] && (!d.open[z] || extras >= d.extra) {
			continue
		}
		if lacks := free - d.lacking[z]; lacks > 0 {
			d.allowed = append(d.allowed, z)
			total += lacks
		}
	}
	return total
}

// may reports whether v lacks a place and may have that of from in partition p.
func (d *direct) may(p, from, v int) bool {
	return d.lacks(v) > 0 && !contains(d.row(p), v) && d.fits(p, d.zone[v], from)
}

// draw finds the node at ticket, when those of the allowed zones that are not in
// partition p have as many tickets as they lack places.
func (d *direct) draw(p, ticket int) int {
	for _, z := range d.allowed {
		lacks := d.free[z] - d.lacking[z]
		if ticket >= lacks {
			ticket -= lacks
			continue
		}
		for _, v := range d.members[z] {
			if contains(d.row(p), v) {
				continue
			}
			if ticket < d.lacks(v) {
				return v
			}
			ticket -= d.lacks(v)
		}
	}
	return nobody
}

// Salts keep the uses of mix apart.
const (
	saltOrder uint64 = iota + 1
	saltPlace
	saltRank
	saltSpare
)

// mix hashes a partition and a number: the finalizer of SplitMix64 (Steele, Lea,
// Flood: Fast splittable pseudorandom number generators, 2014).
func mix(salt uint64, p int, number uint32) uint64 {
	x := salt<<56 ^ uint64(p)<<32 ^ uint64(number)
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
