package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// change applies changes as planned now.
func (m *machine) change(changes ...*pb.NodeChange) *record.Result {
	m.tb.Helper()
	plan, err := state.PlanLayout(m.table, changes)
	if err != nil {
		m.tb.Fatal(err)
	}
	return m.must(&record.Command{Body: &record.Command_ChangeLayout{ChangeLayout: &record.ChangeLayout{
		IfLayoutVersion: plan.LayoutVersion, Changes: plan.Changes, Algorithm: plan.Algorithm, TableDigest: plan.TableDigest,
	}}})
}

// step takes the next step of the running sweep.
func (m *machine) step(count uint32) *record.Result {
	m.tb.Helper()
	number, sweep, err := state.RunningSweep(m.table)
	if err != nil || sweep == nil {
		m.tb.Fatal("no sweep runs", err)
	}
	return m.must(&record.Command{Body: &record.Command_SweepStep{SweepStep: &record.SweepStep{Sweep: number, Cursor: sweep.Cursor, Count: count}}})
}

// moving is a state in which a sweep has marked one of some blocks, those of one
// node that is drained.
func moving(t *testing.T) *machine {
	m := bootstrapped(t, 3)
	m.must(commitCommand(withBlocks(manyBlocks("", 8), claimsOf(8, m.Version(), 1, 2, 3))))
	m.must(register(4, 1))
	m.must(register(5, 1))
	m.change(&pb.NodeChange{Node: 4, Kind: pb.NodeChange_ADD}, &pb.NodeChange{Node: 5, Kind: pb.NodeChange_ADD})
	m.change(&pb.NodeChange{Node: 1, Kind: pb.NodeChange_DRAIN})
	m.step(1)
	return m
}

// marked changes the first marked record.
func (d damaged) marked(f func(*record.Block)) {
	d.t.Helper()
	done := false
	err := state.ScanBlocks(d, protocol.Hash{}, 100, func(h protocol.Hash, b *record.Block) bool {
		if b.Moving > 0 && !done {
			done = true
			f(b)
			d.put(string(state.KeyBlock(h[:])), marshal(d.t, b))
		}
		return !done
	})
	if err != nil || !done {
		d.t.Fatal("no block is marked", err)
	}
}

func (d damaged) node(f func(*record.Node)) {
	n := &record.Node{}
	d.change("n", n, func() { f(n) })
}

func (d damaged) sweep(f func(*record.Sweep)) {
	s := &record.Sweep{}
	d.change("S", s, func() { f(s) })
}

// lastSweep rewrites the sweep that runs.
func (d damaged) lastSweep(f func(*record.Sweep)) {
	d.t.Helper()
	number, s, err := state.RunningSweep(d)
	if err != nil || s == nil {
		d.t.Fatal("no sweep runs", err)
	}
	f(s)
	d.put(string(state.KeySweep(number)), marshal(d.t, s))
}

// TestCheckSeesPlacement is TestCheckSees for nodes, layouts and sweeps.
func TestCheckSeesPlacement(t *testing.T) {
	unmark := func(d damaged) {
		d.cluster(func(c *record.Cluster) { c.Counters.MovingBlocks--; c.Counters.MovingStoredBytes -= 60 })
		d.marked(func(b *record.Block) { b.Moving = 0 })
		if err := state.ScanWork(d, state.ClassMove, func(w state.DueWork) bool {
			key := state.KeyWork(w.Class, w.Lane, w.DueUnixMs, w.Hash[:])
			return d.Write([]state.Mutation{{Key: key, Delete: true}}) != nil
		}); err != nil {
			d.t.Fatal(err)
		}
	}
	cases := []struct {
		invariant, what string
		damage          func(damaged)
	}{
		{"nodes", "a node away that the cluster does not know", func(d damaged) { d.node(func(n *record.Node) { n.State = up }) }},
		{"nodes", "a node away that is not", func(d damaged) { d.cluster(func(c *record.Cluster) { c.Away = append(c.Away, 2) }) }},
		{"holders", "a node's copies", func(d damaged) { d.node(func(n *record.Node) { n.Copies++ }) }},
		{"holders", "their bytes", func(d damaged) { d.node(func(n *record.Node) { n.CopiesStoredBytes-- }) }},
		{"holders", "deletes owed", func(d damaged) { d.node(func(n *record.Node) { n.OwedDeletes++ }) }},
		{"counters", "blocks to be moved", func(d damaged) { d.cluster(func(c *record.Cluster) { c.Counters.MovingBlocks++ }) }},
		{"counters", "bytes to be moved", func(d damaged) { d.cluster(func(c *record.Cluster) { c.Counters.MovingStoredBytes = 0 }) }},
		{"schedule", "a mark without its row", func(d damaged) { d.marked(func(b *record.Block) { b.Moving++ }) }},
		{"schedule", "a row without its mark", func(d damaged) { d.marked(func(b *record.Block) { b.Moving = 0 }) }},
		{"layout", "a place on a node that is drained", func(d damaged) {
			l := &record.Layout{}
			d.change("l", l, func() { l.Table[3] = 1 })
		}},
		{"layouts", "a layout of another version", func(d damaged) {
			l := &record.Layout{}
			d.change("L", l, func() { l.LayoutVersion++ })
		}},
		{"layouts", "a layout cut short", func(d damaged) {
			l := &record.Layout{}
			d.change("L", l, func() { l.Table = l.Table[4:] })
		}},
		{"sweeps", "two that run", func(d damaged) {
			d.sweep(func(s *record.Sweep) { s.State, s.Ended = record.Sweep_RUNNING, nil })
		}},
		{"sweeps", "one that ended and did not", func(d damaged) { d.sweep(func(s *record.Sweep) { s.Ended = nil }) }},
		{"sweeps", "one lost", func(d damaged) { d.cluster(func(c *record.Cluster) { c.LastSweep++ }) }},
		{"sweeps", "one that has nothing left", func(d damaged) {
			unmark(d)
			d.lastSweep(func(s *record.Sweep) { s.Walked, s.Cursor = true, nil })
		}},
		{"marks", "one lost behind the sweep", unmark},
		{"marks", "one lost on a node that is drained", func(d damaged) {
			unmark(d)
			d.lastSweep(func(s *record.Sweep) { s.State, s.Ended = record.Sweep_DONE, sampleVersion() })
		}},
	}
	for _, c := range cases {
		t.Run(c.invariant+"/"+c.what, func(t *testing.T) {
			d := damaged{t, moving(t).table.(*table.Memory)}
			c.damage(d)
			if err := state.Check(d); err == nil || !strings.HasPrefix(err.Error(), "state: invariant "+c.invariant+":") {
				t.Fatalf("found %v", err)
			}
		})
	}
}

// TestKeptLayoutsAndSweeps: of those before, only so many are kept, and a machine
// that is opened anew goes on with the sweep that runs.
func TestKeptLayoutsAndSweeps(t *testing.T) {
	m := moving(t)
	for range 40 {
		m.change()
		m = newMachineOn(t, m.table)
		m.step(1)
	}
	history, err := state.LayoutHistory(m.table)
	if err != nil || len(history.Layouts) != 17 {
		t.Fatal(err, len(history.Layouts))
	}
	sweeps, err := state.Sweeps(m.table)
	if err != nil || len(sweeps) != 33 || sweeps[0].Number != 42 || sweeps[0].State != record.Sweep_RUNNING {
		t.Fatal(err, len(sweeps), sweeps[0])
	}
	m.must(&record.Command{Body: &record.Command_CancelSweep{CancelSweep: &record.CancelSweep{Sweep: 42}}})
	if sweeps, err = state.Sweeps(m.table); err != nil || len(sweeps) != 32 {
		t.Fatal(err, len(sweeps))
	}
}

// TestSweepRows: whatever a sweep's steps and what follows them touch, an entry
// stays within its rows, and what has no room is left for the next.
func TestSweepRows(t *testing.T) {
	counting := &countingTable{Table: table.NewMemory()}
	m := newMachineOn(t, counting)
	m.unchecked = true
	m.bootstrap(3)
	const pages = 4
	var all []byte
	for i := range pages {
		blocks := manyBlocks(fmt.Sprint(i, " "), protocol.MaxBlocksPerPage)
		all = append(all, blocks.Hashes...)
		m.must(commitCommand(withBlocks(blocks, claimsOf(protocol.MaxBlocksPerPage, m.Version(), 1, 2, 3))))
	}
	for n := range uint32(3) {
		m.must(register(4+n, 1))
	}
	m.change(&pb.NodeChange{Node: 4, Kind: pb.NodeChange_ADD}, &pb.NodeChange{Node: 5, Kind: pb.NodeChange_ADD}, &pb.NodeChange{Node: 6, Kind: pb.NodeChange_ADD})
	for {
		_, sweep, err := state.RunningSweep(m.table)
		if err != nil || sweep == nil {
			t.Fatal(err, sweep)
		}
		if sweep.Walked {
			break
		}
		if m.step(state.MaxBatch).GetEffect().Applied == 0 && m.Version().Counter > 1000 {
			t.Fatal("the sweep does not go on")
		}
	}
	m.check()
	var entry []*record.Command
	for len(all) > 0 {
		n := min(len(all), state.MaxBatch*protocol.HashSize)
		entry = append(entry, &record.Command{Body: &record.Command_MoveSettled{MoveSettled: &record.MoveSettled{Hashes: all[:n]}}})
		all = all[n:]
	}
	m.change(&pb.NodeChange{Node: 1, Kind: pb.NodeChange_DRAIN})
	m.apply(entry...)
	if err := state.Check(m.table); err != nil || counting.most > protocol.MaxEntryRows {
		t.Fatalf("an entry touched %d rows: %v", counting.most, err)
	}
}

// TestPlanIsApplied: what a plan says of the table is what its apply makes of it.
func TestPlanIsApplied(t *testing.T) {
	m := moving(t)
	changes := []*pb.NodeChange{{Node: 2, Kind: pb.NodeChange_ZONE, Zone: "z"}, {Node: 1, Kind: pb.NodeChange_CANCEL_DRAIN}}
	plan, err := state.PlanLayout(m.table, changes)
	if err != nil {
		t.Fatal(err)
	}
	m.change(changes...)
	infos, err := state.NodeInfos(m.table, false)
	if err != nil || len(infos) != len(plan.Shares) {
		t.Fatal(err, infos, plan.Shares)
	}
	for i, share := range plan.Shares {
		if infos[i].Places != share.PlacesAfter || infos[i].Node.Zone != share.Zone {
			t.Errorf("planned %v, became %v", share, infos[i])
		}
	}
}

// TestWanted: the first R places whose nodes are not away.
func TestWanted(t *testing.T) {
	l := &record.Layout{Width: 4, Table: make([]byte, protocol.Partitions*4*4)}
	for i := range l.Table {
		if i%4 == 3 {
			l.Table[i] = byte(1 + i/4%4)
		}
	}
	hash := blocksOf("A").Hashes
	for _, c := range []struct {
		away, want []uint32
		redundancy uint32
	}{
		{nil, []uint32{1, 2, 3}, 3},
		{[]uint32{2}, []uint32{1, 3, 4}, 3},
		{[]uint32{1, 2}, []uint32{3, 4}, 3},
		{nil, []uint32{1}, 1},
		{[]uint32{1, 2, 3, 4}, nil, 3},
		{nil, []uint32{1, 2, 3, 4}, 5},
	} {
		if got := state.Wanted(l, c.away, c.redundancy, hash); !slices.Equal(got, c.want) {
			t.Errorf("away %v, R %d: %v", c.away, c.redundancy, got)
		}
	}
	if got := state.Wanted(&record.Layout{}, nil, 3, hash); len(got) != 0 {
		t.Error(got)
	}
}
