package replica

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica/logstore"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// steady is the timing of a machine that three replicas share.
func steady(cfg *Config) {
	cfg.noSync = false
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 2*time.Second, 2*time.Second, time.Second
	cfg.CommitTimeout = 25 * time.Millisecond
}

// BenchmarkPropose commits small objects through three replicas, and stores
// entries of the mean batch in the log store alone: %ofstore is what is left of its
// pace. The three replicas share this machine's disk, so %of3stores compares with
// three stores that write at once.
func BenchmarkPropose(b *testing.B) {
	for _, workers := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			g := newGroup(b, 3, func(cfg *Config) {
				steady(cfg)
				cfg.inFlight, _ = strconv.Atoi(os.Getenv("ASHLAR_IN_FLIGHT"))
			})
			l := g.leader()
			value := string(make([]byte, 100))
			before := l.Status()
			var took time.Duration
			var alone, three, batch float64
			b.ResetTimer()
			for half := range 2 {
				start := time.Now()
				spread(b, workers, b.N/2+1, func(i int) error {
					_, err := l.Propose(b.Context(), put(fmt.Sprintf("key-%d", i%1000), value))
					return err
				})
				took += time.Since(start)
				if half == 0 {
					now := l.Status()
					batch = float64(now.Commands-before.Commands) / float64(now.Entries-before.Entries)
					alone, three = storeAlone(b, int(batch+0.5), 1), storeAlone(b, int(batch+0.5), 3)
				}
			}
			b.StopTimer()
			rate := float64(b.N) / took.Seconds()
			b.ReportMetric(rate, "commits/s")
			b.ReportMetric(batch, "batch")
			b.ReportMetric(alone*batch, "store/s")
			b.ReportMetric(100*rate/(alone*batch), "%ofstore")
			b.ReportMetric(100*rate/(three*batch), "%of3stores")
		})
	}
}

// storeAlone is how many entries a second, of so many commands each, the log
// store writes durably, on the mean of so many stores that write at once.
func storeAlone(b *testing.B, commands, stores int) float64 {
	one, err := put("key-123", string(make([]byte, 100))).MarshalVT()
	if err != nil {
		b.Fatal(err)
	}
	entry := make([]byte, commands*(len(one)+3))
	var total atomic.Uint64
	var group sync.WaitGroup
	start := time.Now()
	for range stores {
		path := b.TempDir() + "/raft.db"
		group.Go(func() {
			s, err := logstore.Open(logstore.Config{Path: path})
			if err != nil {
				b.Error(err)
				return
			}
			defer s.Close()
			for n := uint64(1); time.Since(start) < 500*time.Millisecond; n++ {
				if err := s.StoreLog(&raft.Log{Index: n, Term: 1, Data: entry}); err != nil {
					b.Error(err)
				}
				total.Add(1)
			}
		})
	}
	group.Wait()
	return float64(total.Load()) / time.Since(start).Seconds() / float64(stores)
}

func BenchmarkView(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			g := newGroup(b, 3, steady)
			l := g.leader()
			g.put("key", "value")
			b.ResetTimer()
			start := time.Now()
			spread(b, workers, b.N, func(int) error {
				v, err := l.View(b.Context(), pb.Level_LEVEL_LINEARIZABLE, protocol.Version{})
				if err != nil {
					return err
				}
				return v.Close()
			})
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "views/s")
		})
	}
}

// spread makes n calls on so many goroutines.
func spread(b *testing.B, workers, n int, fn func(i int) error) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := fn(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
