package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
)

const (
	// foregroundPut is the size of the objects that a foreground puts.
	foregroundPut = 256 << 10
	// foregroundAtOnce bounds its operations under way: what is due meanwhile waits,
	// and its wait counts.
	foregroundAtOnce = 32
)

// foreground puts new objects and gets old ones at a steady rate. A latency runs
// from when the operation was due, so that one that holds up others shows.
type foreground struct {
	t     *testing.T
	ctx   context.Context
	sdk   *client.Client
	label string
	stop  context.CancelFunc
	group sync.WaitGroup
	set   int
	base  []byte

	mu   sync.Mutex
	took latencies
}

// latencies are of puts and gets.
type latencies struct{ puts, gets []time.Duration }

// due is one operation to be begun.
type due struct {
	at     time.Time
	number int
}

// foreground starts one over the bed's content.
func (b *bed) foreground(label string) *foreground {
	random := rand.New(rand.NewPCG(b.seed, uint64(len(label))))
	f := &foreground{t: b.t, ctx: b.ctx, sdk: b.sdk, label: label, set: len(b.contents), base: randomBytes(random, foregroundPut)}
	running, stop := context.WithCancel(b.ctx)
	f.stop = stop
	puts, gets := make(chan due), make(chan due)
	for range foregroundAtOnce / 2 {
		f.group.Go(func() { f.work(puts, f.put, &f.took.puts) })
		f.group.Go(func() { f.work(gets, f.get, &f.took.gets) })
	}
	for _, operations := range []chan due{puts, gets} {
		f.group.Go(func() { pace(running, operations) })
	}
	b.t.Cleanup(f.end)
	return f
}

// pace hands operations out at the rate, until running ends.
func pace(running context.Context, operations chan<- due) {
	defer close(operations)
	interval := time.Second / time.Duration(*rebuildRate)
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		at := begun.Add(time.Duration(n) * interval)
		timer.Reset(time.Until(at))
		select {
		case <-running.Done():
			return
		case <-timer.C:
		}
		select {
		case <-running.Done():
			return
		case operations <- due{at, n}:
		}
	}
}

func (f *foreground) work(operations <-chan due, do func(context.Context, int) error, took *[]time.Duration) {
	for op := range operations {
		if err := do(f.ctx, op.number); err != nil {
			f.t.Errorf("the foreground %s: %v", f.label, err)
		}
		d := time.Since(op.at)
		f.mu.Lock()
		*took = append(*took, d)
		f.mu.Unlock()
	}
}

// put puts an object that is new: its bytes are marked with its number.
func (f *foreground) put(ctx context.Context, number int) error {
	name := fmt.Sprint(f.label, "/", number)
	content := slices.Clone(f.base)
	copy(content, name)
	_, err := f.sdk.Put(ctx, "report", name, bytes.NewReader(content))
	return err
}

// get reads one object of the content, in an order that touches all.
func (f *foreground) get(ctx context.Context, number int) error {
	const stride = 7919 // a prime, so that it goes around
	r, err := f.sdk.Get(ctx, "report", fmt.Sprint("set/", number*stride%f.set))
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != reportBlock {
		err = fmt.Errorf("%d of %d bytes", n, reportBlock)
	}
	return err
}

// more waits for n more puts and gets.
func (f *foreground) more(n int) {
	f.t.Helper()
	await(f.t, f.ctx, "the foreground to go on", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.took.puts) >= n && len(f.took.gets) >= n
	})
}

// end stops it; what it began it ends.
func (f *foreground) end() {
	f.stop()
	f.group.Wait()
}

// latencies are those of a foreground that has ended, sorted.
func (f *foreground) latencies() latencies {
	slices.Sort(f.took.puts)
	slices.Sort(f.took.gets)
	return f.took
}

// quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
