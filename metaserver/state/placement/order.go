package placement

import (
	"cmp"
	"slices"
)

// ordered are the wanted nodes of a partition: the first, then the others by a
// hash, which stays when others come and go.
func (b *board) ordered(p, first int) []int {
	row := slices.Clone(b.row(p))
	slices.SortFunc(row, func(v, w int) int {
		if v == first || w == first {
			return cmp.Compare(btoi(w == first), btoi(v == first))
		}
		return cmp.Or(cmp.Compare(b.rank(p, w), b.rank(p, v)), cmp.Compare(v, w))
	})
	return row
}

func btoi(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (b *board) rank(p, v int) uint64 { return mix(saltRank, p, b.nodes[v].ID) }

// firsts chooses the first place of each partition among its nodes: each node is
// first in one of R of its partitions, rounded down or up. At the beginning the
// rank decides, so that most stay when nodes come and go; then nodes that are
// first too often pass it on, along chains, to those that are it too seldom.
func (b *board) firsts() []int {
	f := &firsts{board: b, first: make([]int, b.partitions), at: make([][]int, len(b.nodes))}
	for p := range b.partitions {
		row := b.row(p)
		first := row[0]
		for _, v := range row[1:] {
			if b.rank(p, v) > b.rank(p, first) {
				first = v
			}
		}
		f.first[p] = first
		f.at[first] = append(f.at[first], p)
	}
	floor := func(v int) int { return b.quota[v] / b.wanted }
	ceiling := func(v int) int { return (b.quota[v] + b.wanted - 1) / b.wanted }
	// By the integrality of flows such a choice exists, since 1/R of every place
	// is one, and each of the two levels can be reached by chains.
	for v := range b.nodes {
		for len(f.at[v]) > ceiling(v) && f.pass([]int{v}, ceiling) {
		}
	}
	for {
		var above []int
		for v := range b.nodes {
			if len(f.at[v]) > floor(v) {
				above = append(above, v)
			}
		}
		if !f.pass(above, floor) {
			return f.first
		}
	}
}

type firsts struct {
	*board
	first []int
	// at lists the partitions in which each node is first.
	at [][]int
}

// pass moves one first place, by a shortest chain, from one of the nodes in from
// to a node that is first less often than its limit.
func (f *firsts) pass(from []int, limit func(v int) int) bool {
	via, parent := make([]int, len(f.nodes)), make([]int, len(f.nodes))
	for v := range via {
		via[v], parent[v] = nobody, nobody
	}
	queue := slices.Clone(from)
	for _, v := range from {
		parent[v] = v
	}
	for i := 0; i < len(queue); i++ {
		v := queue[i]
		for _, p := range f.at[v] {
			for _, w := range f.row(p) {
				if parent[w] != nobody {
					continue
				}
				via[w], parent[w] = p, v
				if len(f.at[w]) < limit(w) {
					f.carryOut(w, via, parent)
					return true
				}
				queue = append(queue, w)
			}
		}
	}
	return false
}

func (f *firsts) carryOut(w int, via, parent []int) {
	for via[w] != nobody {
		p, v := via[w], parent[w]
		f.at[v] = without(f.at[v], p)
		f.at[w] = append(f.at[w], p)
		f.first[p] = w
		w = v
	}
}
