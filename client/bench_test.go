package client_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/client/ashlartest"
)

// BenchmarkObjects moves random objects through a cluster in this process, eight
// at once for each processor.
func BenchmarkObjects(b *testing.B) {
	w := ashlartest.Start(b)
	c := w.Client()
	rng := randomness(b)
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20, 16 << 20} {
		content := noise(rng, size)
		var n atomic.Uint64
		b.Run(fmt.Sprintf("put/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.SetParallelism(4)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					mine := bytes.Clone(content)
					// Each block of each object is a new one.
					for at := 0; at < size; at += 1 << 20 {
						binary.LittleEndian.PutUint64(mine[at:], n.Add(1))
					}
					if _, err := c.Put(b.Context(), "bench", fmt.Sprint(size, "/", n.Load()), bytes.NewReader(mine)); err != nil {
						b.Error(err)
					}
				}
			})
		})
		if _, err := c.Put(b.Context(), "bench", fmt.Sprint("get/", size), bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("get/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.SetParallelism(4)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					r, err := c.Get(b.Context(), "bench", fmt.Sprint("get/", size))
					if err != nil {
						b.Error(err)
						continue
					}
					if k, err := io.Copy(io.Discard, r); err != nil || k != int64(size) {
						b.Error(k, err)
					}
					_ = r.Close()
				}
			})
		})
		b.Run(fmt.Sprintf("again/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for i := range b.N {
				if _, err := c.Put(b.Context(), "bench", fmt.Sprint("again/", i), bytes.NewReader(content), client.WithBlockSize(1<<20)); err != nil {
					b.Error(err)
				}
			}
		})
	}
}
