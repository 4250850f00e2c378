package placement_test

import (
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
)

// flow is the twin of the search: the whole problem as a network of vertices and
// edges, solved by cheapest paths, each found anew over all edges.
type flow struct {
	edges []edge
	from  [][]int
}

type edge struct{ to, room, cost int }

func (f *flow) vertex() int {
	f.from = append(f.from, nil)
	return len(f.from) - 1
}

func (f *flow) edge(from, to, room, cost int) {
	f.from[from] = append(f.from[from], len(f.edges))
	f.edges = append(f.edges, edge{to, room, cost})
	f.from[to] = append(f.from[to], len(f.edges))
	f.edges = append(f.edges, edge{from, 0, -cost})
}

// cheapest sends as much as can be sent and answers how much that is and what it
// costs: as often as there is a way, it finds the distances anew and sends all that
// fits along the cheapest ways.
func (f *flow) cheapest(source, sink int) (sent, cost int) {
	for {
		distance := f.distances(source)
		if distance[sink] == far {
			return sent, cost
		}
		for {
			n := f.send(source, sink, far, distance, make([]bool, len(f.from)))
			if n == 0 {
				break
			}
			sent += n
			cost += n * distance[sink]
		}
	}
}

const far = 1 << 30

// distances are those of Bellman and Ford.
func (f *flow) distances(source int) []int {
	distance, waits := make([]int, len(f.from)), make([]bool, len(f.from))
	for v := range distance {
		distance[v] = far
	}
	distance[source] = 0
	for queue := []int{source}; len(queue) > 0; queue = queue[1:] {
		v := queue[0]
		waits[v] = false
		for _, i := range f.from[v] {
			e := f.edges[i]
			if e.room == 0 || distance[v]+e.cost >= distance[e.to] {
				continue
			}
			distance[e.to] = distance[v] + e.cost
			if !waits[e.to] {
				waits[e.to] = true
				queue = append(queue, e.to)
			}
		}
	}
	return distance
}

// send takes up to room units from v to the sink along edges that lie on cheapest
// ways, through vertices not seen yet.
func (f *flow) send(v, sink, room int, distance []int, seen []bool) (sent int) {
	if v == sink {
		return room
	}
	seen[v] = true
	for _, i := range f.from[v] {
		e := &f.edges[i]
		if e.room == 0 || seen[e.to] || distance[v]+e.cost != distance[e.to] || sent == room {
			continue
		}
		n := f.send(e.to, sink, min(room-sent, e.room), distance, seen)
		e.room -= n
		f.edges[i^1].room += n
		sent += n
	}
	return sent
}

// leastByFlow is the number of places that any legal table with these quotas moves.
func leastByFlow(in placement.Input, quotas []int) (places, moved int) {
	f := &flow{}
	source, sink := f.vertex(), f.vertex()
	nodes := make([]int, len(in.Nodes))
	for v := range nodes {
		nodes[v] = f.vertex()
		f.edge(nodes[v], sink, quotas[v], 0)
	}
	zones, extra := plainRule(in)
	for p := range in.Partitions {
		partition, beyond := f.vertex(), f.vertex()
		f.edge(source, partition, min(in.Redundancy, len(in.Nodes)), 0)
		f.edge(partition, beyond, extra, 0)
		was := wantedBefore(in, p)
		for _, z := range zones {
			zone := f.vertex()
			f.edge(partition, zone, z.base, 0)
			if z.size > z.base {
				f.edge(beyond, zone, 1, 0)
			}
			for v, n := range in.Nodes {
				if n.Zone != z.name {
					continue
				}
				cost := 1
				if slices.Contains(was, n.ID) {
					cost = 0
				}
				f.edge(zone, nodes[v], 1, cost)
			}
		}
	}
	return f.cheapest(source, sink)
}

type plainZone struct {
	name       string
	size, base int
}

// plainRule deals the places of one partition out, one zone after the other, until
// a round cannot be finished: that is what is left.
func plainRule(in placement.Input) (zones []*plainZone, left int) {
	for _, n := range in.Nodes {
		at := slices.IndexFunc(zones, func(z *plainZone) bool { return z.name == n.Zone })
		if at < 0 {
			at = len(zones)
			zones = append(zones, &plainZone{name: n.Zone})
		}
		zones[at].size++
	}
	left = min(in.Redundancy, len(in.Nodes))
	for left > 0 {
		var open []*plainZone
		for _, z := range zones {
			if z.size > z.base {
				open = append(open, z)
			}
		}
		if len(open) > left {
			break
		}
		for _, z := range open {
			z.base++
			left--
		}
	}
	return zones, left
}

// wantedBefore names the nodes that were wanted in a partition.
func wantedBefore(in placement.Input, p int) []uint32 {
	wanted := in.PreviousRedundancy
	if wanted == 0 {
		wanted = in.Redundancy
	}
	t := in.Previous
	if t.Width == 0 || len(t.Places) != t.Width*in.Partitions {
		return nil
	}
	return t.Places[p*t.Width : p*t.Width+min(t.Width, wanted)]
}
