package state_test

import (
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func (m *machine) layout() *pb.Layout {
	m.tb.Helper()
	l, err := state.Layout(m.table)
	if err != nil {
		m.tb.Fatal(err)
	}
	return l
}

func (m *machine) bucketOf(bucket string, redundancy uint32) {
	m.tb.Helper()
	answer, err := state.Bucket(m.table, &pb.BucketGetRequest{Bucket: bucket})
	if err != nil {
		m.tb.Fatal(err)
	}
	m.must(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: bucket, Redundancy: redundancy, IfVersion: answer.Bucket.Version}}})
}

// redundancies lists those that the layout has a table of its own for.
func redundancies(l *pb.Layout) (out []uint32) {
	for _, own := range l.Own {
		out = append(out, own.Redundancy)
	}
	return out
}

// balanced: the wanted places of each table are the nodes' quotas, and no partition
// has two in one zone while another zone has none.
func balanced(t *testing.T, l *pb.Layout, nodes []placement.Node) {
	t.Helper()
	zones := map[uint32]string{}
	for _, n := range nodes {
		zones[n.ID] = n.Zone
	}
	for _, own := range append(slices.Clone(l.Own), &pb.LayoutTable{Redundancy: l.Redundancy, Width: l.Width, Table: l.Table}) {
		counts := map[uint32]int{}
		in := placement.Input{Nodes: nodes, Redundancy: int(own.Redundancy), Partitions: protocol.Partitions}
		for p := range protocol.Partitions {
			seen := map[string]bool{}
			wanted := own.Table[p*int(own.Width):][:min(own.Width, own.Redundancy)]
			for _, node := range wanted {
				counts[node]++
				seen[zones[node]] = true
			}
			if len(seen) < min(3, len(wanted)) {
				t.Fatalf("redundancy %d: partition %d stands on %v, in %d zones", own.Redundancy, p, wanted, len(seen))
			}
		}
		for i, quota := range placement.Quotas(in) {
			if id := nodes[i].ID; counts[id] != quota {
				t.Errorf("redundancy %d: node %d has %d places and a quota of %d", own.Redundancy, id, counts[id], quota)
			}
		}
	}
}

// TestOwnTables: each redundancy that a bucket asks for has a table as good as the
// cluster's. To ask moves nothing and is the same layout; a change of layout moves
// the least in every table; the cluster's own redundancy needs no second one.
func TestOwnTables(t *testing.T) {
	m := newMachine(t)
	m.bootstrap(0)
	var nodes []placement.Node
	for i := range uint32(7) {
		q := register(i+1, 1)
		q.GetRegister().Zone = string(rune('a' + i%3))
		m.must(q)
		nodes = append(nodes, placement.Node{ID: i + 1, Zone: q.GetRegister().Zone, Weight: 1})
	}
	m.must(commitCommand(withBlocks(blocksOf("A"), claimsOf(1, m.Version(), 1, 2, 3))))
	before := m.layout()
	for _, r := range []uint32{5, 1, 3, 2, 1} {
		m.bucketOf("bucket", r)
		m.bucketOf("other", r)
		balanced(t, m.layout(), nodes)
	}
	asked := m.layout()
	if got := redundancies(asked); !slices.Equal(got, []uint32{1, 2, 5}) || asked.LayoutVersion != before.LayoutVersion || !slices.Equal(asked.Table, before.Table) {
		t.Fatalf("tables of %v, version %d after %d", got, asked.LayoutVersion, before.LayoutVersion)
	}
	// Buckets share blocks: what three copies stand on, one of them does, nearly always.
	apart := 0
	for p := range protocol.Partitions {
		if one := asked.Own[0]; !slices.Contains(asked.Table[p*int(asked.Width):][:3], one.Table[p*int(one.Width)]) {
			apart++
		}
	}
	if apart > protocol.Partitions/10 {
		t.Errorf("in %d partitions one copy stands beside the three", apart)
	}
	m.change(&pb.NodeChange{Node: 7, Kind: pb.NodeChange_DRAIN})
	after := m.layout()
	balanced(t, after, nodes[:6])
	for i, own := range after.Own {
		was := asked.Own[i]
		in := placement.Input{
			Nodes: nodes[:6], Redundancy: int(own.Redundancy), Partitions: protocol.Partitions,
			Previous: placement.Table{Width: int(was.Width), Places: was.Table},
		}
		moved := placement.MovedFrom(in, placement.Table{Width: int(own.Width), Places: own.Table})
		if least := placement.Least(in); 10*moved > 11*least {
			t.Errorf("redundancy %d: %d places move, of at least %d", own.Redundancy, moved, least)
		}
	}
	m.must(&record.Command{Body: &record.Command_PutSettings{PutSettings: &record.PutSettings{
		Settings: &record.Settings{Redundancy: 5, Quorum: 2}, IfVersion: versionPB(protocol.Version{Generation: 1, Counter: 1}),
	}}})
	last := m.layout()
	balanced(t, last, nodes[:6])
	if got := redundancies(last); !slices.Equal(got, []uint32{1, 2, 3}) {
		t.Fatalf("tables of %v", got)
	}
	m.check()
}

// TestTableOfBefore: a table that was written before references were counted by
// what they ask for is gone on with.
func TestTableOfBefore(t *testing.T) {
	m := bootstrapped(t, 3)
	m.must(commitCommand(withBlocks(blocksOf("A", "B"), claimsOf(2, m.Version(), 1, 2, 3))))
	c, err := state.ClusterRow(m.table)
	if err != nil {
		t.Fatal(err)
	}
	c.Counters.ReferencesByRedundancy = nil
	if err := m.table.Write([]state.Mutation{{Key: []byte("c"), Value: marshal(t, c)}}); err != nil {
		t.Fatal(err)
	}
	m = newMachineOn(t, m.table)
	m.must(&record.Command{Body: &record.Command_PutBucket{PutBucket: &record.PutBucket{Bucket: "photos", Redundancy: 1}}})
	m.check()
}
