package rpc

import (
	"context"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// BenchmarkCall is a small request and answer over loopback, both ends in this
// process, 32 callers a processor.
func BenchmarkCall(b *testing.B) {
	for _, bench := range []struct {
		name   string
		cancel bool
	}{{"background", false}, {"cancellable", true}} {
		b.Run(bench.name, func(b *testing.B) { benchmarkCall(b, bench.cancel) })
	}
}

func benchmarkCall(b *testing.B, cancellable bool) {
	s := NewServer(ServerConfig{Cluster: inTestCluster})
	Handle(s, protocol.PathPrepare, echo)
	addr := start(b, s)
	c := client(b, ClientConfig{})
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(loop *testing.PB) {
		ctx := context.Background()
		if cancellable {
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
		}
		req := &pb.PrepareRequest{Hashes: make([]byte, 64)}
		for loop.Next() {
			var ans pb.PrepareAnswer
			if err := c.Call(ctx, addr, protocol.PathPrepare, req, &ans); err != nil {
				b.Error(err)
				return
			}
			if len(ans.Live) != 2 {
				b.Errorf("%d live bits, want 2", len(ans.Live))
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
