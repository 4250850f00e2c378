package placement_test

import "github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"

// sharesOf are the wanted places that each node would get if places could be cut:
// in proportion to weight, where a node is full at one place a partition and a zone
// has what the zones' rule gives it at least and at most. It bisects for the places
// a unit of weight gets, first over all zones, then within each.
func sharesOf(in placement.Input) []float64 {
	rules, extra := plainRule(in)
	partitions := float64(in.Partitions)
	total := 0.0
	for _, z := range rules {
		total += float64(z.base) * partitions
	}
	total += float64(extra) * partitions
	inZone := func(z *plainZone, level float64) (sum float64) {
		for _, n := range in.Nodes {
			if n.Zone == z.name {
				sum += min(partitions, level*float64(n.Weight))
			}
		}
		return sum
	}
	bounded := func(z *plainZone, level float64) float64 {
		most := z.base
		if extra > 0 && z.size > z.base {
			most++
		}
		return min(float64(most)*partitions, max(float64(z.base)*partitions, inZone(z, level)))
	}
	level := bisect(total, func(level float64) (sum float64) {
		for _, z := range rules {
			sum += bounded(z, level)
		}
		return sum
	})
	out := make([]float64, len(in.Nodes))
	for _, z := range rules {
		own := bisect(bounded(z, level), func(level float64) float64 { return inZone(z, level) })
		for v, n := range in.Nodes {
			if n.Zone == z.name {
				out[v] = min(partitions, own*float64(n.Weight))
			}
		}
	}
	return out
}

// bisect finds where a rising function reaches a value.
func bisect(value float64, of func(float64) float64) float64 {
	low, high := 0.0, 1e9
	for range 200 {
		if middle := (low + high) / 2; of(middle) < value {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}
