package torture_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/faults"
	"github.com/seed-7d21a5b5/ashlar/integration/machines"
	"github.com/seed-7d21a5b5/ashlar/integration/torture"
)

var (
	minutes = flag.Float64("torture.minutes", 0, "begin runs for so many minutes; 0 with no -torture.runs means a short campaign")
	runs    = flag.Int("torture.runs", 0, "how many runs")
	from    = flag.Int("torture.from", 0, "the number of the first run: faults go by number, one each, then pairs")
	seed    = flag.Uint64("torture.seed", 0, "the first run's seed; 0 draws one")
	fault   = flag.String("torture.fault", "", "this fault only, or several joined by +")
	bed     = flag.String("torture.bed", "", "machines, loopback or proxied; empty means those that this machine can have")
	load    = flag.Duration("torture.load", 30*time.Second, "how long clients work in a run")
	race    = flag.Bool("torture.race", false, "build the servers with the race detector")
	atOnce  = flag.Int("torture.at-once", 1, "how many runs are under way at a time")
	through = flag.Bool("torture.through", false, "go on after a run that failed, and fail at the end")
	out     = flag.String("torture.out", "", "folder for what is kept, and for the figures")
)

// The short campaign takes less than two minutes on a machine of two processors.
const shortLoad = 8 * time.Second

var shortFaults = []string{"kill-leader", "kill-blockserver", "freeze-blockserver"}

// binary is the command under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(func(built string) int {
		binary = built
		return m.Run()
	}))
}

// beds are what clusters stand on here: on machines of their own, where these can
// be made, members can be cut off and their disks filled.
func beds(t *testing.T, short bool) []torture.Bed {
	for _, what := range faults.Missing() {
		t.Logf("not on this machine: %s", what)
	}
	const nodes, disk = 4, 256 << 20
	flags := []string{faults.TrailingLogs}
	loopback := torture.Bed{Name: "loopback", Cluster: cluster.Config{Blockservers: nodes, MetaFlags: flags}}
	apart := torture.Bed{Name: "machines", Cluster: cluster.Config{
		Blockservers: nodes, MetaFlags: flags, Machines: true, Disks: map[string]int64{"block-2": disk, "meta-2": disk},
	}}
	proxied := torture.Bed{Name: "proxied", Cluster: cluster.Config{Blockservers: nodes, Proxied: true}}
	all := []torture.Bed{apart, loopback, proxied}
	switch {
	case *bed != "":
		return slices.DeleteFunc(all, func(b torture.Bed) bool { return b.Name != *bed })
	case short:
		return []torture.Bed{loopback}
	case machines.Missing() != nil:
		return []torture.Bed{loopback, proxied}
	}
	return []torture.Bed{apart, proxied}
}

func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	c := campaign(t)
	t.Logf("first seed %d, faults from number %d on, load %v", c.Seed, c.From, c.Load)
	table, err := c.Do(t.Context())
	var text strings.Builder
	_ = table.Print(&text)
	t.Logf("\n%s", text.String())
	if err != nil {
		t.Fatal(err)
	}
	if *out == "" {
		_ = os.RemoveAll(c.Dir)
	}
}

// campaign is what the flags ask for.
func campaign(t *testing.T) torture.Campaign {
	t.Helper()
	short := *runs == 0 && *minutes == 0
	c := torture.Campaign{
		Config: torture.Config{
			Binary: binary, Dir: *out, Seed: *seed, Load: *load, Clients: 6, Rate: 20,
			Log: func(format string, args ...any) {
				t.Logf("%s "+format, append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
			},
		},
		Beds: beds(t, short), Runs: *runs, From: *from, Time: time.Duration(*minutes * float64(time.Minute)),
		AtOnce: *atOnce, Through: *through,
	}
	if c.Seed == 0 {
		c.Seed = uint64(rand.Uint32())
	}
	if *fault != "" {
		c.Named = []string{*fault}
	}
	if short {
		c.Load, c.Runs, c.Named = shortLoad, len(shortFaults), shortFaults
		if cluster.Raced {
			// The clients are raced, the members are not: one run is enough.
			c.Runs = 1
		}
	}
	var err error
	if c.Dir == "" {
		// Not the test's own folder: what is kept has to outlive it.
		if c.Dir, err = os.MkdirTemp("", "ashlar-torture"); err != nil {
			t.Fatal(err)
		}
	}
	if *race {
		if c.Binary, err = cluster.Build(t.TempDir(), true); err != nil {
			t.Fatal(err)
		}
	}
	return c
}
