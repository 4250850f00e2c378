package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	writers = 4
	// operationTimeout bounds one put or get of the load; under a fault some end
	// by it, which is allowed, a wrong answer is not.
	operationTimeout = 15 * time.Second
)

// load writes objects, each under a name of its own, and reads each back as soon
// as it is acknowledged: some inline, most of one block.
type load struct {
	t       *testing.T
	cluster *cluster.Cluster
	sdk     *client.Client
	end     context.CancelFunc
	group   sync.WaitGroup

	acked sync.Map // name -> content
	count atomic.Int64
	// failures counts operations that ended in an error, which a fault may cause.
	failures atomic.Int64
}

// drive begins a load from seed; its stop ends it.
func drive(t *testing.T, ctx context.Context, c *cluster.Cluster, seed uint64) *load {
	t.Helper()
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &load{t: t, cluster: c, sdk: sdk, end: cancel}
	for w := range writers {
		l.group.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := 0; ctx.Err() == nil; i++ {
				content := make([]byte, random.IntN(20<<10))
				for j := range content {
					content[j] = byte(random.Uint32())
				}
				l.one(ctx, fmt.Sprintf("w%d/%d", w, i), content)
				breathe(ctx)
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

// breathe keeps the load small: it is there to notice what goes wrong, and shares
// the machine with all members.
func breathe(ctx context.Context) {
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (l *load) one(ctx context.Context, name string, content []byte) {
	op, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	if _, err := l.sdk.Put(op, "load", name, bytes.NewReader(content)); err != nil {
		l.failed(ctx)
		return
	}
	l.acked.Store(name, content)
	l.count.Add(1)
	got, err := read(op, l.sdk, "load", name)
	switch {
	case protocol.KindOf(err) == protocol.NotFound:
		l.t.Errorf("%s was acknowledged and is not found: %v", name, err)
	case err != nil:
		l.failed(ctx)
	case !bytes.Equal(got, content):
		l.t.Errorf("%s came back as %d bytes, want %d", name, len(got), len(content))
	}
}

func (l *load) failed(ctx context.Context) {
	if ctx.Err() == nil {
		l.failures.Add(1)
	}
}

// stop ends the load; it may be repeated.
func (l *load) stop() {
	l.end()
	l.group.Wait()
	_ = l.sdk.Close()
}

// more waits until n further writes were acknowledged: the cluster makes
// progress in the state that it is in.
func (l *load) more(t *testing.T, ctx context.Context, n int64) {
	t.Helper()
	want := l.count.Load() + n
	await(t, ctx, fmt.Sprintf("%d more acknowledged writes", n), func() bool { return l.count.Load() >= want })
}

// check ends the load and reads back all that was acknowledged.
func (l *load) check(ctx context.Context) {
	l.t.Helper()
	l.stop()
	sdk, err := l.cluster.Client(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = sdk.Close() }()
	l.acked.Range(func(name, content any) bool {
		got, err := read(ctx, sdk, "load", name.(string))
		if err != nil || !bytes.Equal(got, content.([]byte)) {
			l.t.Errorf("%s was acknowledged and came back as %d bytes, error %v", name, len(got), err)
		}
		return true
	})
	l.t.Logf("%d acknowledged writes are there, %d operations failed meanwhile", l.count.Load(), l.failures.Load())
}

func read(ctx context.Context, sdk *client.Client, bucket, name string) ([]byte, error) {
	r, err := sdk.Get(ctx, bucket, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

// await polls until the state is reached; the scenario's own deadline ends it.
func await(t *testing.T, ctx context.Context, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-ctx.Done():
			t.Fatalf("gave up waiting for %s: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}
