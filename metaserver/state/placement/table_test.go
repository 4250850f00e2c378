package placement_test

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

var printTable = flag.Bool("placement.table", false, "print the table of docs/explanation/placement.md")

// zoneOfOne is the change that more stands in the way of than quotas: what it moves
// at least is known only from a flow through the whole network.
const zoneOfOne = "zone of one"

type tableChange struct {
	name  string
	nodes []placement.Node
}

// changesOf are the changes that the table shows.
func changesOf(nodes []placement.Node, zones int) []tableChange {
	n := len(nodes)
	one := placement.Node{ID: 2001, Zone: nodes[n/2].Zone, Weight: 10 << 40}
	heavier := slices.Clone(nodes)
	heavier[n/2].Weight *= 2
	tenth := slices.Clone(nodes)
	for i := range max(2, n/10) {
		tenth = append(tenth, placement.Node{ID: uint32(2001 + i), Zone: nodes[i].Zone, Weight: uint64(8+i%9) << 40})
	}
	out := []tableChange{
		{"one more", append(slices.Clone(nodes), one)},
		{"one less", slices.Delete(slices.Clone(nodes), n/2, n/2+1)},
		{"one doubled", heavier},
		{"a tenth more", tenth},
	}
	if zones > 1 {
		other := slices.Clone(nodes)
		other[0].Zone = nodes[1].Zone
		out = append(out, tableChange{zoneOfOne, other})
	}
	return out
}

// TestTable holds the promises for 3 to 300 unequal nodes in 1 to 10 zones:
// no node is further from its share than 5 %, and no change moves more than 10 %
// above the least. With -placement.table it prints what it measured
// beside what the alternatives do.
func TestTable(t *testing.T) {
	if *printTable {
		fmt.Println("| nodes | zones | change | imbalance | moved | by quotas | by zones | rendezvous | weighted rendezvous | ring |")
		fmt.Println("| ---: | ---: | --- | ---: | ---: | ---: | ---: | --- | --- | --- |")
	}
	for _, size := range []struct{ nodes, zones int }{
		{3, 1}, {3, 3}, {10, 1}, {10, 2}, {10, 5}, {30, 3}, {30, 10}, {100, 3}, {100, 10}, {300, 1}, {300, 3}, {300, 10},
	} {
		in := placement.Input{Nodes: unequal(size.nodes, size.zones), Redundancy: 3, Spares: 2, Partitions: protocol.Partitions}
		before := placement.Compute(in)
		others := compare(in)
		if off := imbalance(in, before); off > 0.05 {
			t.Errorf("%d nodes in %d zones: a node is %.1f %% off its share", size.nodes, size.zones, 100*off)
		}
		for _, c := range changesOf(in.Nodes, size.zones) {
			next := in
			next.Nodes, next.Previous = c.nodes, before
			after := placement.Compute(next)
			moved, byQuotas := placement.MovedFrom(next, after), placement.Least(next)
			byZones := byQuotas
			if moved > byQuotas && *printTable {
				_, byZones = leastByFlow(next, placement.Quotas(next))
			}
			off := imbalance(next, after)
			tooMuch := 10*moved > 11*byZones && (*printTable || c.name != zoneOfOne)
			if off > 0.05 || tooMuch {
				t.Errorf("%d nodes in %d zones, %s: moved %d of at least %d, off by %.1f %%", size.nodes, size.zones, c.name, moved, byZones, 100*off)
			}
			if *printTable {
				fmt.Printf("| %d | %d | %s | %.1f %% | %d | %d | %d |%s\n", size.nodes, size.zones, c.name, 100*off, moved, byQuotas, byZones, others(next))
			}
		}
	}
}

// compare makes the cells of the alternatives: imbalance after the change, and what
// they move over the gains of the quotas.
func compare(before placement.Input) func(placement.Input) string {
	if !*printTable {
		return nil
	}
	alternatives := []func(placement.Input) placement.Table{rendezvous, weighted, ring}
	var tables []placement.Table
	for _, make := range alternatives {
		tables = append(tables, make(before))
	}
	return func(after placement.Input) (cells string) {
		least := placement.Least(after)
		for i, make := range alternatives {
			table := make(after)
			moved := placement.Moved(tables[i], table, after.Redundancy)
			times := "-"
			if least > 0 {
				times = fmt.Sprintf("%.2f", float64(moved)/float64(least))
			}
			cells += fmt.Sprintf(" %.0f %%, %s |", 100*imbalance(after, table), times)
		}
		return cells
	}
}

// imbalance is how far a node is from its share at most, over its share.
func imbalance(in placement.Input, t placement.Table) (most float64) {
	loads := map[uint32]int{}
	for p := range in.Partitions {
		for _, id := range t.Places[p*t.Width : p*t.Width+min(t.Width, in.Redundancy)] {
			loads[id]++
		}
	}
	for v, share := range sharesOf(in) {
		most = max(most, math.Abs(float64(loads[in.Nodes[v].ID])-share)/share)
	}
	return most
}
