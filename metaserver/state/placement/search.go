package placement

import "slices"

// far is more than any chain of exchanges costs.
const far = 1 << 30

// search finds chains of exchanges. A chain begins with an empty place or a node
// above its quota and ends with a node below its quota; in between, a node gains a
// place of one partition and gives one of another away. To gain a place that it
// had before costs nothing, another one costs 1, and to give such a one back
// yields 1. Chains that cost least are carried out first, and among these the
// shortest: so every board on the way moves as little as any with the same loads
// can (successive shortest paths, Edmonds and Karp 1972). The shortest has no
// short cut, so its exchanges do not get in each other's way.
type search struct {
	*board
	// slope is what the last chain cost; later ones cost no less.
	slope int
	// best is the least cost at which each node was reached, and unseen are the
	// nodes not reached yet.
	best   []int
	unseen []int
	steps  []step
	// within bounds the cost of the chains that are looked at. A chain of at most
	// accept is carried out when it is met; else the cheapest is the one at found.
	within, accept int
	carried, found int
	zoneFits       []int8 // scratch: 0 unknown, 1 yes, -1 no
	visit          []int  // scratch: partitions
	undo           []step // scratch: what a chain has changed so far
}

// step is a node that gains the place of node from in partition p. The first step
// of a chain has no parent, and if a node above its quota begins it, no partition.
type step struct {
	node, cost, p, from, parent int
	// dead means that this step cannot be carried out any more in this run.
	dead bool
}

func newSearch(b *board) *search {
	return &search{
		board: b, slope: 1, best: make([]int, len(b.nodes)), zoneFits: make([]int8, len(b.base)),
	}
}

// cheap carries out chains that cost at most cost and never more on their way,
// and reports whether there was one.
func (s *search) cheap(cost int) bool {
	s.within, s.accept = cost, cost
	s.run()
	return s.carried > 0
}

// finish carries chains out until no place is empty and no node above its quota.
// There always is one: by Gale's theorem the quotas and the rule of the zones can
// be met together, and then each board that does not has a chain.
func (s *search) finish() {
	for s.unmet() {
		if s.cheap(s.slope) {
			continue
		}
		s.within, s.accept = far, -far
		s.run()
		if s.found != nobody {
			s.slope = max(s.slope, s.steps[s.found].cost)
			s.carryOut(s.steps[s.found], s.found)
		}
		if s.carried == 0 {
			panic("placement: quotas that cannot be met")
		}
	}
}

// run looks at chains, shortest first.
func (s *search) run() {
	s.steps, s.unseen, s.carried, s.found = s.steps[:0], s.unseen[:0], 0, nobody
	for v := range s.nodes {
		s.best[v] = far
		s.unseen = append(s.unseen, v)
	}
	for v := range s.nodes {
		if s.load[v] > s.quota[v] {
			s.reach(step{node: v, p: nobody, from: nobody, parent: nobody})
		}
	}
	for p := range s.partitions {
		for contains(s.row(p), nobody) && s.gains(p, nobody, 0, nobody) {
		}
	}
	for i := 0; i < len(s.steps); i++ {
		v, cost := s.steps[i].node, s.steps[i].cost
		s.visit = append(s.visit[:0], s.at[v]...)
		for _, p := range s.visit {
			if s.carried > 0 && !s.stands(i) {
				break
			}
			if contains(s.row(p), v) {
				s.gains(p, v, cost-s.price(p, v), i)
			}
		}
	}
}

// price is what it costs that v gains a place of partition p.
func (s *search) price(p, v int) int {
	if contains(s.before(p), v) {
		return 0
	}
	return 1
}

// gains looks at who may have the place of node from in partition p, at a cost so
// far that counts what giving it away yields. It ends when a chain was carried
// out, and reports whether one was.
func (s *search) gains(p, from, cost, parent int) bool {
	if cost > s.within {
		return false
	}
	carried := s.carried
	clear(s.zoneFits)
	to := step{cost: cost, p: p, from: from, parent: parent}
	for _, to.node = range s.before(p) {
		if to.node != nobody && s.best[to.node] > cost {
			if s.gain(to); s.carried > carried {
				return true
			}
		}
	}
	to.cost++
	if to.cost < s.within {
		for to.node = range s.nodes {
			if s.best[to.node] > to.cost {
				if s.gain(to); s.carried > carried {
					return true
				}
			}
		}
	}
	if to.cost != s.within {
		return false
	}
	left := s.unseen[:0]
	for _, to.node = range s.unseen {
		if s.carried > carried || s.best[to.node] > to.cost && !s.gain(to) {
			left = append(left, to.node)
		}
	}
	s.unseen = left
	return s.carried > carried
}

// gain takes a step if it is legal, and reports whether its node is reached by it
// and need not be looked at again. A node below its quota ends chains instead.
func (s *search) gain(to step) bool {
	z := s.zone[to.node]
	if s.zoneFits[z] == 0 {
		s.zoneFits[z] = -1
		if s.fits(to.p, z, to.from) {
			s.zoneFits[z] = 1
		}
	}
	if s.zoneFits[z] < 0 || contains(s.row(to.p), to.node) {
		return false
	}
	if s.lacks(to.node) > 0 && to.cost <= s.accept {
		if to.parent == nobody || s.stands(to.parent) {
			s.carryOut(to, nobody)
		}
		return false
	}
	s.reach(to)
	return true
}

// reach notes that a node is reached at a cost lower than before.
func (s *search) reach(to step) {
	s.best[to.node] = to.cost
	s.steps = append(s.steps, to)
	if s.lacks(to.node) > 0 && (s.found == nobody || to.cost < s.steps[s.found].cost) {
		s.found = len(s.steps) - 1
	}
}

// stands reports whether the chain up to step i may still be carried out: no step
// of it is dead, and its beginning has one place too many still.
func (s *search) stands(i int) bool {
	for ; i != nobody; i = s.steps[i].parent {
		if s.steps[i].dead {
			return false
		}
		if at := s.steps[i]; at.p == nobody {
			return s.load[at.node] > s.quota[at.node]
		}
	}
	return true
}

// carryOut performs the chain that ends with a step, which stands at index i or
// is not among the steps. Where another chain of this run was in the way it takes
// another partition for the same exchange; if there is none, nothing is done and
// the step is dead.
func (s *search) carryOut(at step, i int) {
	s.undo = s.undo[:0]
	for at.p != nobody {
		cost := at.cost
		if at.parent != nobody {
			cost -= s.steps[at.parent].cost
		}
		if at.p = s.where(at, cost); at.p == nobody {
			if i != nobody {
				s.steps[i].dead = true
			}
			for _, done := range slices.Backward(s.undo) {
				s.put(done.p, done.node, done.from)
			}
			return
		}
		s.put(at.p, at.from, at.node)
		s.undo = append(s.undo, at)
		if i = at.parent; i == nobody {
			break
		}
		at = s.steps[i]
	}
	s.carried++
}

// where finds a partition in which a step's exchange is legal now and has that
// price, first its own.
func (s *search) where(at step, cost int) int {
	if s.legal(at.p, at) {
		return at.p
	}
	if at.from == nobody {
		for p := range s.partitions {
			if s.price(p, at.node) == cost && s.legal(p, at) {
				return p
			}
		}
		return nobody
	}
	for _, p := range s.at[at.from] {
		if s.price(p, at.node)-s.price(p, at.from) == cost && s.legal(p, at) {
			return p
		}
	}
	return nobody
}

// legal reports whether a step's exchange is possible in partition p.
func (s *search) legal(p int, at step) bool {
	row := s.row(p)
	return contains(row, at.from) && !contains(row, at.node) && s.fits(p, s.zone[at.node], at.from)
}
