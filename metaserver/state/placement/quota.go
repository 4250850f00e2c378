package placement

import "math/bits"

// apportion divides the wanted places among the nodes in proportion to their
// weights, as far as a node can have a partition once only and a zone what the
// rule gives it. It is Webster's method: each place goes to the node with the
// largest weight/(2*places+1) among those that may have one more, the lower ID
// among equals. A node that comes makes no other's quota larger, and one that
// goes none smaller, so rounding moves nothing.
func apportion(nodes []Node, r rule, partitions int) []int {
	a := &shares{nodes: nodes, quota: make([]int, len(nodes)), partitions: partitions}
	members := make([][]int, len(r.base))
	for v, z := range r.zone {
		members[z] = append(members[z], v)
	}
	room := make([]int, len(r.base))
	everywhere := &heap{less: a.before}
	for z := range members {
		h := &heap{less: a.before}
		for _, v := range members[z] {
			h.push(v)
		}
		for range r.base[z] * partitions {
			a.give(h)
		}
		room[z] = (r.most(z) - r.base[z]) * partitions
		if room[z] > 0 {
			for _, v := range h.items {
				everywhere.push(v)
			}
		}
	}
	for left := r.extra * partitions; left > 0; {
		v := everywhere.items[0]
		if z := r.zone[v]; room[z] > 0 {
			room[z]--
			left--
			a.give(everywhere)
		} else {
			everywhere.pop()
		}
	}
	return a.quota
}

// shares are the quotas while they grow.
type shares struct {
	nodes      []Node
	quota      []int
	partitions int
}

// give adds one place to the first node of h, which leaves h when it is full.
func (a *shares) give(h *heap) {
	v := h.items[0]
	a.quota[v]++
	if a.quota[v] >= a.partitions {
		h.pop()
	} else {
		h.sink(0)
	}
}

// before reports whether v gets the next place rather than w.
func (a *shares) before(v, w int) bool {
	vHigh, vLow := bits.Mul64(a.nodes[v].Weight, uint64(2*a.quota[w]+1))
	wHigh, wLow := bits.Mul64(a.nodes[w].Weight, uint64(2*a.quota[v]+1))
	if vHigh != wHigh {
		return vHigh > wHigh
	}
	if vLow != wLow {
		return vLow > wLow
	}
	return v < w
}

// heap has the first of its items at 0. Less is a strict order, so that what it
// yields does not depend on how it is built.
type heap struct {
	items []int
	less  func(v, w int) bool
}

func (h *heap) push(v int) {
	h.items = append(h.items, v)
	for i := len(h.items) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.less(h.items[i], h.items[up]) {
			return
		}
		h.items[i], h.items[up] = h.items[up], h.items[i]
		i = up
	}
}

func (h *heap) pop() {
	last := len(h.items) - 1
	h.items[0] = h.items[last]
	h.items = h.items[:last]
	h.sink(0)
}

func (h *heap) sink(i int) {
	for {
		first := i
		for _, below := range []int{2*i + 1, 2*i + 2} {
			if below < len(h.items) && h.less(h.items[below], h.items[first]) {
				first = below
			}
		}
		if first == i {
			return
		}
		h.items[i], h.items[first] = h.items[first], h.items[i]
		i = first
	}
}
