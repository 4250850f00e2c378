package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Result is one measurement, with the field names of `ashlar bench -o json`.
type Result struct {
	Name        string `json:"name"`
	Concurrency int    `json:"concurrency"`
	// Size is the bytes of one operation.
	Size       int     `json:"size_bytes"`
	Seconds    float64 `json:"seconds"`
	Operations uint64  `json:"operations"`
	PerSecond  float64 `json:"operations_per_second"`
	// MBps is in 1,000,000 bytes a second.
	MBps float64 `json:"megabytes_per_second"`
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
	// Processor seconds per 1,000,000,000 bytes moved; 0 where no bytes moved or
	// no server process is known.
	ClientCPUPerGB float64 `json:"client_cpu_seconds_per_gb"`
	ServerCPUPerGB float64 `json:"server_cpu_seconds_per_gb"`
	// Processor microseconds per operation.
	ClientCPUPerOp float64 `json:"client_cpu_us_per_operation"`
	ServerCPUPerOp float64 `json:"server_cpu_us_per_operation"`
}

// Work is one operation to drive.
type Work struct {
	Name string
	// Size is the bytes that one operation moves.
	Size        int
	Concurrency int
	// For is how long new operations are started.
	For time.Duration
	// Weight is how many operations one call of Do is; 0 means 1.
	Weight int
	// Do runs the n-th operation of one worker.
	Do func(ctx context.Context, worker, n int) error
}

// Drive runs w from all its workers and counts. The first error ends it.
func Drive(ctx context.Context, w Work, cpu *Processors) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		group  sync.WaitGroup
		parts  = make([]Histogram, w.Concurrency)
		stop   atomic.Bool
		before = cpu.Read()
		start  = time.Now()
	)
	timer := time.AfterFunc(w.For, func() { stop.Store(true) })
	defer timer.Stop()
	for worker := range w.Concurrency {
		group.Go(func() {
			for n := 0; !stop.Load() && ctx.Err() == nil; n++ {
				began := time.Now()
				if err := w.Do(ctx, worker, n); err != nil {
					cancel(err)
					return
				}
				parts[worker].Add(time.Since(began))
			}
		})
	}
	group.Wait()
	took := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	var all Histogram
	for i := range parts {
		all.Merge(&parts[i])
	}
	return result(w, &all, took, before, cpu.Read()), nil
}

func result(w Work, all *Histogram, took time.Duration, before, after Usage) Result {
	ops := all.Count() * uint64(max(w.Weight, 1))
	gigabytes := float64(ops) * float64(w.Size) / 1e9
	r := Result{
		Name: w.Name, Concurrency: w.Concurrency, Size: w.Size, Seconds: took.Seconds(), Operations: ops,
		PerSecond: float64(ops) / took.Seconds(),
		MBps:      gigabytes * 1000 / took.Seconds(),
		P50:       milliseconds(all.Quantile(0.50)),
		P95:       milliseconds(all.Quantile(0.95)),
		P99:       milliseconds(all.Quantile(0.99)),
	}
	client, server := (after.Own - before.Own).Seconds(), (after.Servers - before.Servers).Seconds()
	if gigabytes > 0 {
		r.ClientCPUPerGB, r.ServerCPUPerGB = client/gigabytes, server/gigabytes
	}
	if ops > 0 {
		r.ClientCPUPerOp, r.ServerCPUPerOp = client*1e6/float64(ops), server*1e6/float64(ops)
	}
	return r
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
