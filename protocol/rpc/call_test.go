package rpc

import (
	"context"
	"net"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

var testCluster = protocol.ID{0xc1, 15: 1}

// start serves s on a free loopback port until the test ends.
func start(t testing.TB, s *Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func client(t testing.TB, cfg ClientConfig) *Client {
	t.Helper()
	c := NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

func inTestCluster() protocol.ID { return testCluster }

// echo answers a prepare with as many live bits as there are hashes.
func echo(_ context.Context, q *pb.PrepareRequest) (*pb.PrepareAnswer, error) {
	return &pb.PrepareAnswer{Live: make([]bool, len(q.Hashes)/protocol.HashSize), LayoutVersion: uint64(len(q.Hashes))}, nil
}

func BenchmarkCall(b *testing.B) {
	for _, bench := range []struct {
		name   string
		cancel bool
	}{{"background", false}, {"cancellable", true}} {
		b.Run(bench.name, func(b *testing.B) {
			s := NewServer(ServerConfig{Cluster: inTestCluster})
			Handle(s, protocol.PathPrepare, echo)
			addr := start(b, s)
			c := client(b, ClientConfig{})
			b.SetParallelism(32)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(loop *testing.PB) {
				ctx := context.Background()
				if bench.cancel {
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
		})
	}
}
