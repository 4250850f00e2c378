package placement

import "slices"

// rule says how many wanted places of one partition may stand in each zone: base
// in every partition, one more where open in extra of the zones. So the counts of
// two zones differ by at most one unless the smaller has no node left.
type rule struct {
	wanted int
	zone   []int  // of each node
	base   []int  // of each zone
	open   []bool // of each zone: it has a node beyond its base
	extra  int
	size   []int // nodes of each zone
}

// zoneRule pours R places evenly over the zones, each up to its number of nodes.
// Zones are numbered in the order of their names.
func zoneRule(nodes []Node, redundancy int) rule {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Zone)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	r := rule{
		wanted: max(0, min(redundancy, len(nodes))), zone: make([]int, len(nodes)), base: make([]int, len(names)),
		open: make([]bool, len(names)), size: make([]int, len(names)),
	}
	for v, n := range nodes {
		z, _ := slices.BinarySearch(names, n.Zone)
		r.zone[v] = z
		r.size[z]++
	}
	left := r.wanted
	for {
		larger := 0
		for z := range names {
			if r.size[z] > r.base[z] {
				larger++
			}
		}
		if larger == 0 || larger > left {
			break
		}
		for z := range names {
			if r.size[z] > r.base[z] {
				r.base[z]++
			}
		}
		left -= larger
	}
	r.extra = left
	for z := range names {
		r.open[z] = left > 0 && r.size[z] > r.base[z]
	}
	return r
}

// most is how many wanted places of one partition zone z may have.
func (r *rule) most(z int) int {
	if r.open[z] {
		return r.base[z] + 1
	}
	return r.base[z]
}
