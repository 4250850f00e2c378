package torture_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/torture"
)

var (
	minutes = flag.Float64("torture.minutes", 0, "begin runs for so many minutes; 0 with no -torture.runs means a short campaign")
	runs    = flag.Int("torture.runs", 0, "how many runs")
	from    = flag.Int("torture.from", 0, "the number of the first run: faults go by number, one each, then pairs")
	seed    = flag.Uint64("torture.seed", 0, "the first run's seed; 0 draws one")
	fault   = flag.String("torture.fault", "", "this fault only, or several joined by +")
	load    = flag.Duration("torture.load", 30*time.Second, "how long clients work in a run")
	race    = flag.Bool("torture.race", false, "build the servers with the race detector")
	out     = flag.String("torture.out", "", "folder for what is kept, and for the figures")
)

// The short campaign takes less than two minutes on a machine of two processors.
const (
	shortRuns = 3
	shortLoad = 8 * time.Second
)

func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := *out
	if dir == "" {
		// Not the test's own folder: what is kept has to outlive it.
		var err error
		if dir, err = os.MkdirTemp("", "ashlar-torture"); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := cluster.Build(t.TempDir(), *race)
	if err != nil {
		t.Fatal(err)
	}
	c := torture.Campaign{
		Config: torture.Config{
			Binary: binary, Dir: dir, Seed: *seed, Fault: *fault, Load: *load, Clients: 6, Rate: 20, Faults: torture.Processes,
			Log: func(format string, args ...any) {
				t.Logf("%s "+format, append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
			},
		},
		Beds: []torture.Bed{{Name: "loopback", Cluster: cluster.Config{Blockservers: 4}}},
		Runs: *runs, From: *from, Time: time.Duration(*minutes * float64(time.Minute)),
	}
	if c.Seed == 0 {
		c.Seed = uint64(rand.Uint32())
	}
	if c.Runs == 0 && c.Time == 0 {
		c.Runs, c.Load = shortRuns, shortLoad
		if c.From == 0 {
			c.From = rand.IntN(100)
		}
	}
	t.Logf("first seed %d, faults from number %d on, load %v", c.Seed, c.From, c.Load)
	table, err := c.Do(t.Context())
	var text strings.Builder
	_ = table.Print(&text)
	t.Logf("\n%s", text.String())
	if err != nil {
		t.Fatal(err)
	}
	if *out == "" {
		_ = os.RemoveAll(dir)
		return
	}
	if err := table.Save(dir); err != nil {
		t.Fatal(err)
	}
}
