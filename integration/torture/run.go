package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/faults"
	"github.com/seed-7d21a5b5/ashlar/integration/history"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// Config describes a run.
type Config struct {
	// Binary is the ashlar command.
	Binary string
	// Dir gets the data, logs and history of the run.
	Dir  string
	Seed uint64
	// Bed is what the cluster stands on, Fault what is put in force: names joined
	// by +.
	Bed   Bed
	Fault string
	// Load is how long clients work at least; the fault is in force for less than
	// half of it.
	Load time.Duration
	// Clients do Rate operations a second each.
	Clients int
	Rate    float64
	// Log is told what happens; nil means nobody.
	Log func(format string, args ...any)
}

// healTimeout bounds injecting and healing.
const healTimeout = 3 * time.Minute

// run is one run under way.
type run struct {
	cfg     Config
	r       *rand.Rand
	cluster *cluster.Cluster
	keys    *keys
	record  *history.Recorder
	workers []*worker
	faults  []Fault

	mu        sync.Mutex
	surprises []error
	phases    []phase
}

// phase is one fault's time, on the history's clock.
type phase struct {
	fault              string
	from, heal, healed int64
	// alone: another fault could not be put in force beside it.
	alone bool
}

// Run does one run. The result is valid with an error too, as far as it came.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	t := &run{cfg: cfg, r: rand.New(rand.NewPCG(cfg.Seed, 1)), keys: newKeys(), record: history.NewRecorder()}
	err := t.all(ctx)
	ops := t.record.Operations()
	result := t.result(ops)
	err = errors.Join(append(t.surprises, err)...)
	if verdict := history.Judge(ops, 0, cfg.Dir); true {
		result.Verdict = verdict
		err = errors.Join(err, verdict.Err())
	}
	if saving := history.Save(filepath.Join(cfg.Dir, historyFile), ops); saving != nil {
		err = errors.Join(err, saving)
	}
	return result, err
}

// historyFile is a run's history, a line of JSON each operation.
const historyFile = "history.jsonl"

func (t *run) all(ctx context.Context) (err error) {
	if t.cluster, err = start(ctx, t.cfg.Bed, t.cfg.Binary, t.cfg.Dir); err != nil {
		return err
	}
	defer t.cluster.Stop()
	if err := t.noGrace(ctx); err != nil {
		return fmt.Errorf("set the grace: %w", err)
	}
	t.faults = faults.All(t.cluster, t.r)
	fault, err := choose(t.faults, t.cfg.Fault)
	if err != nil {
		return err
	}
	t.cfg.Log("seed %d on %s: %s", t.cfg.Seed, t.cfg.Bed.Name, fault.Name())
	if err := t.load(ctx, fault); err != nil {
		return err
	}
	return t.checkAll(ctx)
}

// load has clients work while the fault comes and goes, and then while the leader
// is stopped for a moment.
func (t *run) load(ctx context.Context, fault Fault) (err error) {
	stop := make(chan struct{})
	var working sync.WaitGroup
	defer func() {
		close(stop)
		working.Wait()
		for _, w := range t.workers {
			err = errors.Join(err, w.sdk.Close())
		}
	}()
	if err := t.hire(ctx); err != nil {
		return err
	}
	for _, w := range t.workers {
		working.Go(func() { w.run(stop) })
	}
	closing, err := t.post(&working, stop)
	if err != nil {
		return err
	}
	defer closing()
	began, tenth := time.Now(), t.cfg.Load/10
	wait(ctx, tenth)
	if err := t.strike(ctx, fault, 4*tenth); err != nil {
		return err
	}
	wait(ctx, tenth)
	stopped, err := choose(t.faults, stopLeader)
	if err != nil {
		return err
	}
	if err := t.strike(ctx, stopped, min(3*tenth, 500*time.Millisecond+time.Duration(t.r.Int64N(int64(2500*time.Millisecond))))); err != nil {
		return err
	}
	wait(ctx, max(tenth, t.cfg.Load-time.Since(began)))
	return ctx.Err()
}

// hire makes the clients. Each writes once before anything breaks: a session that
// was opened by a request whose answer was lost is nobody's, and holds back what
// settles waits for until it expires.
func (t *run) hire(ctx context.Context) error {
	c := newContents(t.cfg.Seed)
	for i := range t.cfg.Clients {
		sdk, err := t.cluster.Client(ctx)
		if err != nil {
			return err
		}
		w := &worker{
			id: i, sdk: sdk, r: rand.New(rand.NewPCG(t.cfg.Seed, uint64(1000+i))), keys: t.keys, contents: c, record: t.record,
			pause: time.Duration(float64(time.Second) / t.cfg.Rate), surprise: t.surprise, careful: true,
		}
		t.workers = append(t.workers, w)
		first := w.once(ctx, history.Operation{Client: i, Verb: history.Put, Key: fmt.Sprintf("p9998/k%d", i), Level: history.Linearizable})
		if first.Outcome != history.Done {
			return fmt.Errorf("client %d could not write to a whole cluster: %s", i, first.Error)
		}
		w.careful = false
	}
	return nil
}

// post puts the direct readers before their servers.
func (t *run) post(working *sync.WaitGroup, stop <-chan struct{}) (closing func(), err error) {
	caller := rpc.NewClient(rpc.ClientConfig{Cluster: t.workers[0].sdk.Cluster(), Timeout: 2 * directTimeout})
	for i, m := range t.cluster.Meta {
		for j := range directEach {
			d := &direct{
				id: directFirst + directEach*i + j, address: m.Address, rpc: caller, r: rand.New(rand.NewPCG(t.cfg.Seed, uint64(2000+10*i+j))),
				keys: t.keys, record: t.record, pause: 150 * time.Millisecond,
			}
			working.Go(func() { d.run(stop) })
		}
	}
	return caller.Close, nil
}

// strike puts a fault in force for a while and notes when.
func (t *run) strike(ctx context.Context, f Fault, force time.Duration) error {
	p := phase{fault: f.Name(), from: t.record.Now()}
	bounded, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	if err := f.Inject(bounded); err != nil {
		return errors.Join(fmt.Errorf("inject %s: %w", f.Name(), err), f.Heal(bounded))
	}
	if b, ok := f.(*both); ok && len(b.missed) > 0 {
		p.alone = true
		t.cfg.Log("  not in force beside it: %s", strings.Join(b.missed, "; "))
	}
	wait(ctx, force)
	p.heal = t.record.Now()
	err := f.Heal(bounded)
	p.healed = t.record.Now()
	t.phases = append(t.phases, p)
	if err != nil {
		return fmt.Errorf("heal %s: %w", f.Name(), err)
	}
	return nil
}

func (t *run) surprise(err error) {
	const most = 20
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.surprises) < most {
		t.surprises = append(t.surprises, fmt.Errorf("an error that no fault excuses: %w", err))
	}
}

// with runs fn with a client whose sessions end with it.
func (t *run) with(ctx context.Context, fn func(*client.Client) error) error {
	sdk, err := t.cluster.Client(ctx)
	if err != nil {
		return err
	}
	return errors.Join(fn(sdk), sdk.Close())
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
