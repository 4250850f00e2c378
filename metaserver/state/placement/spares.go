package placement

import "math/bits"

// spares chooses so many spares for each partition. A spare stands in for a node
// of the partition that is down, whichever it is, so it comes from the zones with
// the fewest nodes of the partition among those that have another: from a zone
// that has none if there is one. Spares of before stay as long as that holds and
// they are not spares too often; else the node with the fewest for its weight is
// next.
func (b *board) spares(each int) []int {
	s := &spares{board: b, load: make([]int, len(b.nodes)), counts: make([]int, len(b.base))}
	all := rule{wanted: each, zone: make([]int, len(b.nodes)), base: []int{each}, open: []bool{false}, size: []int{len(b.nodes)}}
	s.quota = apportion(b.nodes, all, b.partitions)
	for p := range b.partitions {
		s.taken = append(s.taken[:0], b.row(p)...)
		clear(s.counts)
		for _, v := range s.taken {
			s.counts[b.zone[v]]++
		}
		for range each {
			v := s.next(p)
			s.load[v]++
			s.counts[b.zone[v]]++
			s.taken = append(s.taken, v)
			s.out = append(s.out, v)
		}
	}
	return s.out
}

type spares struct {
	*board
	// quota is how often each node would be a spare if zones did not matter.
	quota, load []int
	out         []int
	// counts and taken are about one partition: nodes by zone, and all of them.
	counts, taken []int
}

func (s *spares) next(p int) int {
	fewest := len(s.nodes)
	for z, n := range s.counts {
		if n < s.size[z] {
			fewest = min(fewest, n)
		}
	}
	for _, v := range s.sparesBefore(p) {
		if v != nobody && s.counts[s.zone[v]] == fewest && !contains(s.taken, v) && s.load[v] <= s.quota[v]+s.quota[v]/8 {
			return v
		}
	}
	best := nobody
	for v, z := range s.zone {
		if s.counts[z] == fewest && (best == nobody || s.rarer(v, best)) && !contains(s.taken, v) {
			best = v
		}
	}
	return best
}

// rarer reports whether v is a spare less often than w, for its weight.
func (s *spares) rarer(v, w int) bool {
	vHigh, vLow := bits.Mul64(s.nodes[v].Weight, uint64(s.load[w]+1))
	wHigh, wLow := bits.Mul64(s.nodes[w].Weight, uint64(s.load[v]+1))
	return vHigh > wHigh || vHigh == wHigh && vLow > wLow
}
