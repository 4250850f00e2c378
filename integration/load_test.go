package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

const (
	// loaders put, get and delete at once, each under names of its own, of which it
	// keeps loadKept.
	loaders  = 3
	loadKept = 80
)

// load uses a cluster all along. A name stands in acked from the acknowledgement
// of its put until its delete is tried; every read of such a name has to succeed.
type load struct {
	t      *testing.T
	ctx    context.Context
	c      *cluster.Cluster
	stop   context.CancelFunc
	group  sync.WaitGroup
	done   atomic.Int64
	acked  [loaders]map[string][]byte
	failed atomic.Bool
}

func startLoad(t *testing.T, ctx context.Context, c *cluster.Cluster, seed uint64) *load {
	t.Helper()
	l := &load{t: t, ctx: ctx, c: c}
	running, stop := context.WithCancel(ctx)
	l.stop = stop
	for i := range loaders {
		l.acked[i] = map[string][]byte{}
		sdk, err := c.Client(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		l.group.Go(func() {
			defer func() { _ = sdk.Close() }()
			l.run(running, sdk, r, fmt.Sprintf("load-%d/", i), l.acked[i])
		})
	}
	t.Cleanup(func() {
		stop()
		l.group.Wait()
	})
	return l
}

// run goes on until it is stopped; what it began it ends.
func (l *load) run(running context.Context, sdk *client.Client, r *rand.Rand, prefix string, acked map[string][]byte) {
	var names []string
	for n := 0; running.Err() == nil && !l.failed.Load(); n++ {
		l.step(sdk, r, fmt.Sprint(prefix, n), acked, &names)
		l.done.Add(1)
	}
}

// step puts one object, reads one that was acknowledged, and deletes the oldest
// beyond those that are kept.
func (l *load) step(sdk *client.Client, r *rand.Rand, name string, acked map[string][]byte, names *[]string) {
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	content := randomBytes(r, 4000+r.IntN(12_000))
	if _, err := sdk.Put(ctx, "load", name, bytes.NewReader(content)); err == nil {
		acked[name] = content
		*names = append(*names, name)
	} else {
		l.t.Logf("put %s: %v", name, err)
	}
	if len(*names) == 0 {
		return
	}
	l.read(ctx, sdk, (*names)[r.IntN(len(*names))], acked)
	if len(*names) > loadKept {
		oldest := (*names)[0]
		*names = (*names)[1:]
		delete(acked, oldest)
		if err := sdk.Delete(ctx, "load", oldest); err != nil {
			l.t.Logf("delete %s: %v", oldest, err)
		}
	}
}

func (l *load) read(ctx context.Context, sdk *client.Client, name string, acked map[string][]byte) {
	r, err := sdk.Get(ctx, "load", name)
	var got []byte
	if err == nil {
		got, err = readAll(r)
	}
	if err != nil || !bytes.Equal(got, acked[name]) {
		l.t.Errorf("%s was acknowledged and reads as %d bytes, %v; want %d bytes", name, len(got), err, len(acked[name]))
		l.failed.Store(true)
	}
}

// more waits until n more rounds of the load are through.
func (l *load) more(n int64) {
	l.t.Helper()
	until := l.done.Load() + n
	await(l.t, l.ctx, "the load to go on", func() bool { return l.done.Load() >= until || l.failed.Load() })
	if l.failed.Load() {
		l.t.FailNow()
	}
}

// end stops the load.
func (l *load) end() {
	l.stop()
	l.group.Wait()
	l.t.Logf("%d rounds of load", l.done.Load())
}

// verify reads everything that is acknowledged; the load has ended.
func (l *load) verify() {
	l.t.Helper()
	sdk, err := l.c.Client(l.ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = sdk.Close() }()
	for i := range l.acked {
		for name := range l.acked[i] {
			l.read(l.ctx, sdk, name, l.acked[i])
		}
	}
	if l.failed.Load() {
		l.t.FailNow()
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }
