package state_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
)

// runLength is how long a random test runs: as long as its claim says on request
// (ASHLAR_FULL=1), a fifth of it in CI, a tenth elsewhere, and less under the race
// detector, which is ten times slower.
func runLength(full int) int {
	switch {
	case raceEnabled:
		return full / 100
	case os.Getenv("ASHLAR_FULL") != "":
		return full
	case os.Getenv("ASHLAR_CI") != "":
		return full / 5
	}
	return full / 10
}

// seedOf returns ASHLAR_SEED, or a number that no clock chose, and prints it.
func seedOf(tb testing.TB) uint64 {
	seed := rand.Uint64()
	if text := os.Getenv("ASHLAR_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Logf("ASHLAR_SEED=%d", seed)
	return seed
}

// TestDigest: 100,000 Commit entries of random commands (ASHLAR_FULL=1; fewer else), each
// followed now and then by the other commands that keep the space small, give
// the same digest on Pebble and on the table in memory after every entry, and the
// same rows at the end. Every invariant holds after each; in a long run they are
// looked at after every tenth, since a look reads every row.
func TestDigest(t *testing.T) {
	commits := runLength(100_000)
	disk, err := table.OpenPebble(table.PebbleConfig{Dir: filepath.Join(t.TempDir(), "table"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	}()
	memory, pebble := newMachine(t), newMachineOn(t, disk)
	memory.unchecked, pebble.unchecked = true, true
	memory.bootstrap(someNodes)
	pebble.bootstrap(someNodes)
	g := newGenerator(memory, rand.New(rand.NewPCG(seedOf(t), 0)).IntN)
	for n := 0; n < commits; {
		c := g.any()
		if c.GetCommit() != nil {
			n++
		} else if unreference := c.GetUnreference() != nil; unreference && g.chance(50) || !unreference && g.chance(85) {
			continue
		}
		applyBoth(t, memory, pebble, g, c)
		if n%1000 == 0 {
			// A machine that is opened anew continues as if it had not been.
			pebble = newMachineOn(t, disk)
			pebble.unchecked = true
		}
	}
	t.Logf("%d entries, %d commits of which %d were accepted, %d rows at the end", memory.index, commits, g.accepted, memory.table.(*table.Memory).Len())
	if rowsOf(t, memory.table) != rowsOf(t, pebble.table) {
		t.Fatal("the tables differ in spite of their digests")
	}
	if err := state.Check(pebble.table); err != nil {
		t.Fatal(err)
	}
}

func applyBoth(t *testing.T, memory, pebble *machine, g *generator, c *record.Command) {
	before := digestOf(t, memory.table)
	one, other := memory.one(c), pebble.one(c)
	if !bytes.Equal(marshal(t, one), marshal(t, other)) {
		t.Fatalf("entry %d: %v\nin memory %v\non Pebble %v", memory.index, c, one, other)
	}
	g.learn(c, one)
	after := digestOf(t, memory.table)
	if !bytes.Equal(after, digestOf(t, pebble.table)) {
		t.Fatalf("entry %d: %v: the digests differ", memory.index, c)
	}
	if one.Kind == 0 && c.GetCommit().GetCall() == nil && c.GetCommit() != nil && bytes.Equal(before, after) {
		t.Fatalf("entry %d: %v: the digest does not see the commit", memory.index, c)
	}
	if os.Getenv("ASHLAR_FULL")+os.Getenv("ASHLAR_CI") != "" && memory.index%10 != 0 {
		return
	}
	if err := state.Check(memory.table); err != nil {
		t.Fatalf("entry %d: %v: %v", memory.index, c, err)
	}
}

func marshal(tb testing.TB, m interface{ MarshalVT() ([]byte, error) }) []byte {
	data, err := m.MarshalVT()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func digestOf(tb testing.TB, r state.Reader) []byte {
	c, err := state.ClusterRow(r)
	if err != nil {
		tb.Fatal(err)
	}
	return c.Digest
}
