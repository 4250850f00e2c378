package integration_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// TestKillAll: all six processes are killed while clients write, and started
// again. Everything acknowledged is there, byte for byte.
func TestKillAll(t *testing.T) {
	const writers, before = 8, 200
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c, ctx := start(t, cluster.Config{})
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var (
		acked   sync.Map // name -> content
		count   atomic.Int64
		wg      sync.WaitGroup
		stopped = make(chan struct{})
	)
	for w := range writers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := 0; ; i++ {
				select {
				case <-stopped:
					return
				default:
				}
				content := randomBytes(random, random.IntN(200<<10))
				name := fmt.Sprintf("w%d/%d", w, i)
				if _, err := sdk.Put(ctx, "crash", name, bytes.NewReader(content)); err == nil {
					acked.Store(name, content)
					count.Add(1)
				}
			}
		})
	}
	await(t, ctx, "enough acknowledged writes", func() bool { return count.Load() >= before })
	for _, m := range c.Members() {
		m.Kill()
	}
	close(stopped)
	for _, m := range c.Members() {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if err := c.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	_ = sdk.Close()
	checkAcked(t, ctx, c, &acked)
	t.Logf("%d acknowledged objects are there", count.Load())
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func readAll(r *client.Reader) ([]byte, error) {
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}
