package blockserver

import (
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// atOnce is how many requests the benchmarks keep in flight.
const atOnce = 8

// fetchAll gets count answers of size bytes, atOnce at a time.
func fetchAll(b *testing.B, client *fasthttp.HostClient, count int, coding string, size int, url func(i int) string) time.Duration {
	b.Helper()
	begun := time.Now()
	var all sync.WaitGroup
	for worker := range atOnce {
		all.Go(func() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(req)
			defer fasthttp.ReleaseResponse(resp)
			for i := worker; i < count; i += atOnce {
				req.SetRequestURI(url(i))
				req.Header.Set("Accept-Encoding", coding)
				if err := client.Do(req, resp); err != nil || resp.StatusCode() != http.StatusOK || len(resp.Body()) < size {
					b.Errorf("%d, %d bytes, %v", resp.StatusCode(), len(resp.Body()), err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}

// fromMemory is fasthttp that serves the same bytes out of memory.
func fromMemory(b *testing.B, blocks [][]byte) *fasthttp.HostClient {
	b.Helper()
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		i, err := strconv.Atoi(string(ctx.Path()[1:]))
		if err != nil {
			ctx.SetStatusCode(http.StatusNotFound)
			return
		}
		ctx.Response.SetBodyRaw(blocks[i%len(blocks)])
	}}
	ln := listen(b)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	client := &fasthttp.HostClient{Addr: ln.Addr().String()}
	b.Cleanup(func() {
		client.CloseIdleConnections()
		if err := server.Shutdown(); err != nil {
			b.Error(err)
		}
		<-done
	})
	return client
}

// spent is what one side of a comparison took: time, and processor time of both
// ends, which says more on a machine that others use too.
type spent struct{ wall, cpu time.Duration }

func (s *spent) add(b *testing.B, run func() time.Duration) {
	b.Helper()
	before := processorTime(b)
	s.wall += run()
	s.cpu += processorTime(b) - before
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkGet compares, within one run and in turns, GET of 1 MiB random blocks
// as stored frames and as plain bytes with fasthttp serving the same bytes out
// of memory, 8 at once each.
func BenchmarkGet(b *testing.B) {
	const size, count, turn = protocol.DefaultBlockSize, 64, 64
	n := startReady(b)
	blocks, paths := make([][]byte, count), make([]string, count)
	for i := range blocks {
		blocks[i] = noise(uint64(i), size)
		paths[i] = "http://" + n.Addr() + n.mustPut(blocks[i])
	}
	memory := fromMemory(b, blocks)
	node := &fasthttp.HostClient{Addr: n.Addr()}
	defer node.CloseIdleConnections()
	inMemory := func(i int) string { return "http://" + memory.Addr + "/" + strconv.Itoa(i) }
	onNode := func(i int) string { return paths[i%count] }
	var base, zstd, plain spent
	turns := 0
	for b.Loop() {
		base.add(b, func() time.Duration { return fetchAll(b, memory, turn, "identity", size, inMemory) })
		zstd.add(b, func() time.Duration { return fetchAll(b, node, turn, "zstd", size, onNode) })
		plain.add(b, func() time.Duration { return fetchAll(b, node, turn, "identity", size, onNode) })
		turns++
	}
	for name, s := range map[string]spent{"memory": base, "zstd": zstd, "plain": plain} {
		b.ReportMetric(float64(turns*turn)*size/1e6/s.wall.Seconds(), name+"-MB/s")
		b.ReportMetric(s.cpu.Seconds()*1e3/float64(turns*turn), name+"-cpu-ms")
	}
	b.ReportMetric(100*base.wall.Seconds()/zstd.wall.Seconds(), "zstd-%-of-memory")
	b.ReportMetric(100*base.wall.Seconds()/plain.wall.Seconds(), "plain-%-of-memory")
}

// BenchmarkPut stores new 1 MiB random blocks, 8 at once.
func BenchmarkPut(b *testing.B) {
	const size = protocol.DefaultBlockSize
	n := startReady(b)
	client := &fasthttp.HostClient{Addr: n.Addr()}
	defer client.CloseIdleConnections()
	b.SetBytes(size * atOnce)
	seed := uint64(0)
	for b.Loop() {
		b.StopTimer()
		batch := make([][]byte, atOnce)
		for i := range batch {
			batch[i] = noise(seed, size)
			copy(batch[i], strconv.FormatUint(seed, 10))
			seed++
		}
		b.StartTimer()
		var all sync.WaitGroup
		for _, plain := range batch {
			all.Go(func() {
				req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
				defer fasthttp.ReleaseRequest(req)
				defer fasthttp.ReleaseResponse(resp)
				req.Header.SetMethod(http.MethodPut)
				req.SetRequestURI("http://" + n.Addr() + pathOf(plain))
				req.SetBodyRaw(plain)
				if err := client.Do(req, resp); err != nil || resp.StatusCode() != http.StatusCreated {
					b.Errorf("%d %s %v", resp.StatusCode(), resp.Body(), err)
				}
			})
		}
		all.Wait()
	}
}
