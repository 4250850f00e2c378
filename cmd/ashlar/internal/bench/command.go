package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

type flags struct {
	ops              []string
	sizes            []string
	concurrency      []int
	smallConcurrency []int
	duration         time.Duration
	compressible     bool
	seed             uint64
	limits           bool
	spawn            bool
	pids             []int
	dir              string
	keep             bool
}

// maxConcurrency bounds the workers of one measurement.
const maxConcurrency = 4096

// Command is `ashlar bench`.
func Command(a *app.App) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a cluster, and the machine in the same run",
		Long: "bench drives put, get, commit (a small object: one log entry), lookup (the same, read) and\n" +
			"stat, and tells rates, latencies and processor time. With --spawn it starts six processes of\n" +
			"this binary on loopback and takes them away again. With --limits it also measures the machine\n" +
			"without Ashlar and prints each rate as a share of its limit.",
		Example: "  ashlar bench --spawn --limits\n  ashlar bench --ops put --size 4KiB,1MiB --concurrency 1,8 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.check(a)
			if err != nil {
				return err
			}
			return r.run(cmd.Context())
		},
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&f.ops, "ops", Ops, "`operations`: put, get, commit, lookup, stat")
	fs.StringSliceVar(&f.sizes, "size", []string{"1MiB"}, "`sizes` of objects, for put and get")
	fs.IntSliceVar(&f.concurrency, "concurrency", []int{8}, "`workers`, for put and get")
	fs.IntSliceVar(&f.smallConcurrency, "small-concurrency", []int{64, 256}, "`workers`, for commit, lookup and stat")
	fs.DurationVar(&f.duration, "duration", 5*time.Second, "`time` of each measurement")
	fs.BoolVar(&f.compressible, "compressible", false, "put text instead of random bytes")
	fs.Uint64Var(&f.seed, "seed", 0, "`number` that the data is made from (default: drawn and printed)")
	fs.BoolVar(&f.limits, "limits", false, "measure the machine as well")
	fs.BoolVar(&f.spawn, "spawn", false, "start 3 metaservers and 3 blockservers for this run")
	fs.IntSliceVar(&f.pids, "server-pids", nil, "`process ids` of servers on this machine, for their processor time")
	fs.StringVar(&f.dir, "dir", "", "`folder` for --spawn and --limits (default: the system's temporary folder)")
	fs.BoolVar(&f.keep, "keep", false, "leave the objects in the cluster")
	return cmd
}

// Report is what `ashlar bench -o json` prints.
type Report struct {
	Seed         uint64   `json:"seed"`
	Compressible bool     `json:"compressible"`
	Processors   int      `json:"processors"`
	Go           string   `json:"go"`
	Results      []Result `json:"results"`
	Ratios       []Ratio  `json:"ratios,omitempty"`
}

// runner is one checked run.
type runner struct {
	flags
	app    *app.App
	sizes  []int
	report Report
}

func (f *flags) check(a *app.App) (*runner, error) {
	r := &runner{flags: *f, app: a}
	if r.seed == 0 {
		r.seed = rand.Uint64()>>12 + 1
	}
	for _, op := range f.ops {
		if !slices.Contains(Ops, op) {
			return nil, protocol.Errorf(protocol.InvalidArgument, "--ops: %s is none of %s", protocol.Quote(op), strings.Join(Ops, ", "))
		}
	}
	for _, text := range f.sizes {
		n, err := terminal.ParseBytes(text)
		if err != nil {
			return nil, err
		}
		if n < 1 || n > 1<<30 {
			return nil, protocol.Errorf(protocol.InvalidArgument, "--size is 1 byte to 1 GiB, not %s", text)
		}
		r.sizes = append(r.sizes, int(n))
	}
	for _, n := range append(slices.Clone(f.concurrency), f.smallConcurrency...) {
		if n < 1 || n > maxConcurrency {
			return nil, protocol.Errorf(protocol.InvalidArgument, "concurrency is 1 to %d, not %d", maxConcurrency, n)
		}
	}
	r.report = Report{Seed: r.seed, Compressible: r.compressible, Processors: runtime.NumCPU(), Go: runtime.Version()}
	return r, nil
}

func (r *runner) run(ctx context.Context) error {
	dir, err := os.MkdirTemp(r.dir, "ashlar-bench-")
	if err != nil {
		return err
	}
	keep := false
	defer func() {
		if !keep {
			_ = os.RemoveAll(dir)
		}
	}()
	endpoints, pids := r.app.Endpoints, r.pids
	if r.spawn {
		s, err := Spawn(ctx, dir)
		if s != nil {
			defer s.Stop()
		}
		if err != nil {
			keep = true
			return err
		}
		endpoints, pids = s.Endpoints, s.PIDs()
	}
	c, err := client.Open(ctx, client.Config{Endpoints: endpoints, MemoryBudget: r.budget(), MaxSessions: 16})
	if err != nil {
		return err
	}
	defer c.Close()
	l := &load{client: c, cpu: &Processors{Servers: pids}, per: r.duration, prefix: fmt.Sprintf("%d/", r.seed)}
	if err := r.measure(ctx, dir, l); err != nil {
		return err
	}
	if !r.spawn && !r.keep {
		if err := l.clear(ctx); err != nil {
			return err
		}
	}
	return r.print()
}

// budget gives every worker room for a few blocks.
func (r *runner) budget() int64 {
	const most = 512 << 20
	need := int64(client.DefaultMemoryBudget)
	for _, n := range r.concurrency {
		need = max(need, int64(n)*4*protocol.DefaultBlockSize)
	}
	return min(need, most)
}

func (r *runner) measure(ctx context.Context, dir string, l *load) error {
	for _, size := range r.sizes {
		c := &Content{Seed: r.seed, Size: size, Compressible: r.compressible}
		c.Prepare()
		for _, n := range r.concurrency {
			if err := r.measureData(ctx, dir, l, c, n); err != nil {
				return err
			}
		}
	}
	for _, n := range r.smallConcurrency {
		if err := r.measureSmall(ctx, dir, l, n); err != nil {
			return err
		}
	}
	r.report.Ratios = Ratios(r.report.Results)
	return nil
}

func (r *runner) measureData(ctx context.Context, dir string, l *load, c *Content, concurrency int) error {
	wanted := false
	for _, op := range []string{OpPut, OpGet} {
		if !slices.Contains(r.ops, op) {
			continue
		}
		wanted = true
		result, err := l.data(ctx, op, concurrency, c)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		r.note(result)
	}
	if !wanted || !r.limits {
		return nil
	}
	return DataLimits(ctx, dir, r.duration, concurrency, c, r.note)
}

func (r *runner) measureSmall(ctx context.Context, dir string, l *load, concurrency int) error {
	wanted := false
	for _, op := range []string{OpCommit, OpLookup, OpStat} {
		if !slices.Contains(r.ops, op) {
			continue
		}
		wanted = true
		result, err := l.small(ctx, op, concurrency, r.seed)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		r.note(result)
	}
	if !wanted || !r.limits {
		return nil
	}
	return CommitLimits(ctx, dir, r.duration, concurrency, r.note)
}

func (r *runner) note(result Result) {
	r.report.Results = append(r.report.Results, result)
	r.app.Screen.Notef("%s, %d at once: %.0f/s", result.Name, result.Concurrency, result.PerSecond)
}

func (r *runner) print() error {
	screen := r.app.Screen
	if screen.JSON {
		return screen.Document(r.report)
	}
	rows := [][]string{{"OPERATION", "AT ONCE", "SIZE", "OPS/S", "MB/S", "P50 MS", "P95 MS", "P99 MS", "CLIENT CPU S/GB", "SERVER CPU S/GB", "CLIENT US/OP", "SERVER US/OP"}}
	for _, x := range r.report.Results {
		rows = append(rows, []string{
			x.Name, fmt.Sprint(x.Concurrency), terminal.Bytes(uint64(x.Size)), number(x.PerSecond), number(x.MBps),
			number(x.P50), number(x.P95), number(x.P99), number(x.ClientCPUPerGB), number(x.ServerCPUPerGB),
			number(x.ClientCPUPerOp), number(x.ServerCPUPerOp),
		})
	}
	if err := screen.Table(rows); err != nil {
		return err
	}
	screen.Printf("\n")
	rows = nil
	for _, x := range r.report.Ratios {
		rows = append(rows, []string{x.Name, fmt.Sprintf("%d at once", x.Concurrency), fmt.Sprintf("%.0f %%", 100*x.Share)})
	}
	rows = append(rows, []string{"seed", fmt.Sprint(r.report.Seed), ""})
	return screen.Table(rows)
}

// number prints three significant digits, or a dash for nothing.
func number(x float64) string {
	switch {
	case x == 0:
		return "-"
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
