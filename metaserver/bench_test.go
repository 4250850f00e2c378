package metaserver_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/metaserver"
	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// spread runs fn b.N times from the given number of goroutines and reports ops/s.
// What passes is tried again, as a client does, and counted.
func spread(b *testing.B, lanes int, fn func(lane int, i int64) error) {
	b.Helper()
	var next, retries atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	b.ResetTimer()
	for lane := range lanes {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				err := fn(lane, i)
				for ; passes(err); err = fn(lane, i) {
					retries.Add(1)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "ops/s")
	b.ReportMetric(float64(retries.Load()), "retries")
}

// realTiming undoes the short timeouts of tests: a full machine is no reason to
// elect.
func realTiming(cfg *metaserver.Config) { cfg.Replica = replica.Config{} }

func BenchmarkCommit(b *testing.B) {
	for _, lanes := range []int{64, 256} {
		b.Run(fmt.Sprint(lanes), func(b *testing.B) {
			g := startGroup(b, 3, realTiming)
			sessions := make([]*session, lanes)
			for i := range sessions {
				sessions[i] = g.session()
			}
			content := []byte("sixteen bytes!!!")
			spread(b, lanes, func(lane int, i int64) error {
				req := sessions[lane].commitInline(fmt.Sprintf("dir/%012d", i), content)
				return g.client.Call(g.base, g.leader().ClientAddr(), protocol.PathCommit, req, &pb.CommitAnswer{})
			})
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	g := startGroup(b, 3, realTiming)
	s := g.session()
	const names = 1000
	for i := range names {
		g.must(protocol.PathCommit, s.commitInline(fmt.Sprintf("dir/%d", i), []byte("sixteen bytes!!!")), &pb.CommitAnswer{})
	}
	for _, level := range []pb.Level{pb.Level_LEVEL_LINEARIZABLE, pb.Level_LEVEL_STALE} {
		b.Run(level.String(), func(b *testing.B) {
			spread(b, 64, func(_ int, i int64) error {
				req := &pb.LookupRequest{Bucket: "bucket", Name: fmt.Sprintf("dir/%d", i%names), Level: level}
				return g.client.Call(g.base, g.leader().ClientAddr(), protocol.PathLookup, req, &pb.LookupAnswer{})
			})
		})
	}
}
