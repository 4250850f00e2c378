package state_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// withWork has 40 live blocks in redundancy lane 2, every fourth of them postponed,
// and 3 in lane 1.
func withWork(t *testing.T) *machine {
	m := bootstrapped(t, 3)
	blocks := manyBlocks("", 43)
	m.must(commitCommand(withBlocks(blocks, claimsOf(43, m.Version(), 1, 2))))
	lost, postponed := &record.Lost{}, &record.Postpone{}
	for i := range 43 {
		hash := blocks.Hashes[i*protocol.HashSize : (i+1)*protocol.HashSize]
		if i >= 40 {
			lost.Items = append(lost.Items, &record.NodeBlock{Hash: hash, Node: 1, Version: versionPB(protocol.Version{Generation: 1, Counter: 4})})
		} else if i%4 == 0 {
			postponed.Items = append(postponed.Items, &record.PostponeItem{Class: state.ClassRedundancy, Lane: 2, Hash: hash, DueUnixMs: int64(1 + i%3)})
		}
	}
	m.must(&record.Command{Body: &record.Command_Lost{Lost: lost}})
	m.must(&record.Command{Body: &record.Command_Postpone{Postpone: postponed}})
	return m
}

// TestDue reads a lane in pages of every size: the same rows in the same order,
// those never postponed first, none beyond now.
func TestDue(t *testing.T) {
	m := withWork(t)
	due := func(now int64, after state.Place, limit int) []state.DueWork {
		rows, err := state.Due(m.table, state.ClassRedundancy, 2, now, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	all := due(math.MaxInt64, state.Place{}, 1000)
	sorted := slices.IsSortedFunc(all, func(x, y state.DueWork) int {
		if x.DueUnixMs != y.DueUnixMs {
			return int(x.DueUnixMs - y.DueUnixMs)
		}
		return x.Hash.Compare(y.Hash)
	})
	if len(all) != 40 || !sorted || all[29].DueUnixMs != 0 || all[30].DueUnixMs == 0 || all[39].Attempts != 1 {
		t.Fatal(all)
	}
	for limit := 1; limit < 45; limit++ {
		var paged []state.DueWork
		for after := (state.Place{}); ; {
			page := due(math.MaxInt64, after, limit)
			paged = append(paged, page...)
			if len(page) < limit {
				break
			}
			after = state.Place{DueUnixMs: page[limit-1].DueUnixMs, Hash: page[limit-1].Hash}
		}
		if !slices.Equal(paged, all) {
			t.Fatalf("in pages of %d: %v", limit, paged)
		}
	}
	for now, want := range map[int64]int{-1: 0, 0: 30, 3: 40} {
		if got := len(due(now, state.Place{}, 1000)); got != want {
			t.Errorf("%d rows are due by %d, not %d", got, now, want)
		}
	}
	if len(due(10, state.Place{}, 0)) != 0 {
		t.Error("a limit of none gave some")
	}
}

func TestLanes(t *testing.T) {
	m := withWork(t)
	for class, want := range map[uint32][]uint32{state.ClassRedundancy: {1, 2}, state.ClassMove: nil, state.ClassReap: nil} {
		if lanes, err := state.Lanes(m.table, class); err != nil || !slices.Equal(lanes, want) {
			t.Errorf("class %d has lanes %v, %v", class, lanes, err)
		}
	}
}

// TestWorkAbout: what is found by block is what is found by lane.
func TestWorkAbout(t *testing.T) {
	m := withWork(t)
	seen := 0
	err := state.ScanWork(m.table, 0, func(w state.DueWork) bool {
		seen++
		about, err := state.WorkAbout(m.table, w.Hash)
		if err != nil || len(about) != 1 || about[0] != w {
			t.Errorf("about %v: %v, %v", w, about, err)
		}
		one, ok, err := state.WorkOf(m.table, w.Hash, w.Class, w.Lane)
		if err != nil || !ok || one != w {
			t.Errorf("of %v: %v, %v", w, one, err)
		}
		_, ok, err = state.WorkOf(m.table, w.Hash, w.Class, w.Lane+1)
		if err != nil || ok {
			t.Errorf("another lane has the row of %v", w)
		}
		return true
	})
	if err != nil || seen != 43 {
		t.Fatal(err, seen)
	}
	if about, err := state.WorkAbout(m.table, protocol.Hash{1}); err != nil || len(about) != 0 {
		t.Fatal(about, err)
	}
}

func TestScanBlocks(t *testing.T) {
	m := withWork(t)
	var all []protocol.Hash
	for after := (protocol.Hash{}); ; {
		before := len(all)
		err := state.ScanBlocks(m.table, after, 10, func(h protocol.Hash, b *record.Block) bool {
			all = append(all, h)
			return b.Refs == 1
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == before {
			break
		}
		after = all[len(all)-1]
	}
	if len(all) != 43 || !slices.IsSortedFunc(all, protocol.Hash.Compare) {
		t.Fatal(len(all))
	}
}

// TestCheckFindsWork: rows of the schedule, or counts, that the records do not
// imply are found, by the name of the invariant.
func TestCheckFindsWork(t *testing.T) {
	hash, other := manyBlocks("", 1).Hashes, blocksOf("other").Hashes
	work := func(class, lane uint32, due int64, hash []byte) []byte { return state.KeyWork(class, lane, due, hash) }
	node := func(m *machine, change func(*record.Node)) state.Mutation {
		nodes, err := state.Nodes(m.table)
		if err != nil {
			t.Fatal(err)
		}
		change(nodes[0])
		return state.Mutation{Key: state.KeyNode(1), Value: marshal(t, nodes[0])}
	}
	block := func(change func(*record.Block)) func(*machine) []state.Mutation {
		return func(m *machine) []state.Mutation {
			b, _, err := state.BlockRow(m.table, protocol.Hash(hash))
			if err != nil {
				t.Fatal(err)
			}
			change(b)
			return []state.Mutation{{Key: state.KeyBlock(hash), Value: marshal(t, b)}}
		}
	}
	rows := func(mutations ...state.Mutation) func(*machine) []state.Mutation {
		return func(*machine) []state.Mutation { return mutations }
	}
	cases := []struct {
		what, invariant string
		plant           func(*machine) []state.Mutation
	}{
		{"a row that no record implies", "schedule", rows(state.Mutation{Key: work(1, 2, 0, other)})},
		{"a row of another class", "schedule", rows(state.Mutation{Key: work(3, 2, 0, hash)})},
		{"a row that is missing", "schedule", rows(state.Mutation{Key: work(1, 2, 1, hash), Delete: true})},
		{"a second row in the lane", "schedule", rows(state.Mutation{Key: work(1, 2, 9, hash)})},
		{"a due time that is missing", "schedule", rows(state.Mutation{Key: state.KeyWorkDue(1, 2, hash), Delete: true})},
		{"another due time", "schedule", rows(state.Mutation{Key: state.KeyWorkDue(1, 2, hash), Value: make([]byte, 8)})},
		{"a due time of nothing", "schedule", rows(state.Mutation{Key: state.KeyWorkDue(1, 2, other), Value: make([]byte, 8)})},
		{"work that waits and has not failed", "schedule", rows(state.Mutation{Key: work(1, 2, 1, hash)})},
		{"an empty row that is not canonical", "rows", rows(state.Mutation{Key: work(1, 2, 1, hash), Value: []byte{8, 0}})},
		{"a key that is cut", "", rows(state.Mutation{Key: work(1, 2, 1, hash)[:20]})},
		{"a count of critical blocks", "critical", func(m *machine) []state.Mutation {
			return []state.Mutation{node(m, func(n *record.Node) { n.CriticalBlocks++ })}
		}},
		{"a drop above its node's copy", "drops", block(func(b *record.Block) {
			b.Floor = versionPB(protocol.Version{Generation: 1, Counter: 5})
			b.Drops = []*record.Held{{Node: 1, Generation: 1, Counter: 5}}
		})},
		{"a drop above the floor", "floors", block(func(b *record.Block) {
			b.Drops = []*record.Held{{Node: 1, Generation: 1, Counter: 5}}
		})},
		{"a copy of the future", "floors", block(func(b *record.Block) { b.Copies[0].Counter = 99 })},
		{"pending while live", "phases", block(func(b *record.Block) { b.Pending = []uint32{1} })},
		{"a node twice", "phases", block(func(b *record.Block) { b.Copies = append(b.Copies, b.Copies[1]) })},
	}
	for _, c := range cases {
		m := withWork(t)
		if err := m.table.Write(c.plant(m)); err != nil {
			t.Fatal(err)
		}
		err := state.Check(m.table)
		if err == nil || !strings.Contains(err.Error(), c.invariant) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestFullBlocksAreNotScheduled: a commit of a new block with all its copies
// writes what it did before there was a schedule, and nothing else.
func TestFullBlocksAreNotScheduled(t *testing.T) {
	b := newBulk(t, 3)
	b.counting.most = 0
	b.object("a", 1, 1, 2, 3)
	// The cluster, the object, the block, and three nodes' acknowledgements.
	if b.counting.most != 6 {
		t.Fatalf("%d rows", b.counting.most)
	}
	rows := 0
	if err := state.ScanWork(b.table, 0, func(state.DueWork) bool { rows++; return true }); err != nil || rows > 0 {
		t.Fatal(err, rows)
	}
}
