package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/valyala/fasthttp"
	bolt "go.etcd.io/bbolt"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Names of limits.
const (
	LimitDurable  = "limit.durable"
	LimitLoopback = "limit.loopback"
	LimitRequest  = "limit.request"
	LimitBLAKE3   = "limit.blake3"
	LimitZstd     = "limit.zstd"
	LimitLog      = "limit.log"
)

// copiesPerBlock is how many files the durable loop writes for one block.
const copiesPerBlock = protocol.DefaultRedundancy

// folders is how many folders the durable loop spreads the files of a copy over.
const folders = 256

// commitSize is the bytes of one log entry that commits a small object.
const commitSize = 256

// requestSize is the bytes of a small answer.
const requestSize = 64

// limit is one loop without Ashlar: open prepares it and returns the operation.
type limit struct {
	name        string
	size        int
	concurrency int
	weight      int
	open        func(dir string, l *limit, c *Content) (do func(context.Context, int, int) error, done func(), err error)
}

// DataLimits measures what moving blocks of c's size can cost at this
// concurrency: the durable loop, loopback, BLAKE3 and zstd.
func DataLimits(ctx context.Context, dir string, per time.Duration, concurrency int, c *Content, each func(Result)) error {
	return measureAll(ctx, dir, per, c, each, []limit{
		{LimitDurable, c.Size, concurrency, 1, openDurable},
		{LimitLoopback, c.Size, concurrency, 1, openLoopback},
		{LimitBLAKE3, c.Size, 1, 1, openBLAKE3},
		{LimitZstd, c.Size, 1, 1, openZstd},
	})
}

// CommitLimits measures what agreeing on a name can cost with so many callers: a
// small request over loopback, and batches of so many entries in a log store.
func CommitLimits(ctx context.Context, dir string, per time.Duration, callers int, each func(Result)) error {
	return measureAll(ctx, dir, per, &Content{}, each, []limit{
		{LimitRequest, requestSize, callers, 1, openLoopback},
		{LimitLog, commitSize, 1, callers, openLog},
	})
}

func measureAll(ctx context.Context, dir string, per time.Duration, c *Content, each func(Result), limits []limit) error {
	for _, l := range limits {
		r, err := l.measure(ctx, dir, per, c)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		each(r)
	}
	return nil
}

func (l *limit) measure(ctx context.Context, dir string, per time.Duration, c *Content) (Result, error) {
	at, err := os.MkdirTemp(dir, "limit-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(at)
	do, done, err := l.open(at, l, c)
	if err != nil {
		return Result{}, err
	}
	defer done()
	r, err := Drive(ctx, Work{Name: l.name, Size: l.size, Concurrency: l.concurrency, For: per, Weight: l.weight, Do: do}, &Processors{})
	if l.name == LimitLog {
		r.Concurrency = l.weight
	}
	return r, err
}

// openDurable writes each block's three files as plainly as it can be done
// durably: temporary file, fsync, rename, fsync of the folder.
func openDurable(dir string, l *limit, c *Content) (func(context.Context, int, int) error, func(), error) {
	for copyNumber := range copiesPerBlock {
		for i := range folders {
			if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(copyNumber), fmt.Sprintf("%02x", i)), 0o755); err != nil {
				return nil, nil, err
			}
		}
	}
	buffers := perWorker(l)
	return func(_ context.Context, worker, n int) error {
		c.Fill(buffers[worker], worker, n)
		for copyNumber := range copiesPerBlock {
			folder := filepath.Join(dir, fmt.Sprint(copyNumber), fmt.Sprintf("%02x", (worker*31+n)%folders))
			if err := writeDurably(folder, fmt.Sprintf("%d-%d", worker, n), buffers[worker]); err != nil {
				return err
			}
		}
		return nil
	}, func() {}, nil
}

func writeDurably(folder, name string, b []byte) error {
	aside := filepath.Join(folder, name+".tmp")
	f, err := os.Create(aside)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(aside, filepath.Join(folder, name))
	}
	if err != nil {
		return err
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// openLoopback serves the same bytes from memory and gets them.
func openLoopback(_ string, l *limit, c *Content) (func(context.Context, int, int) error, func(), error) {
	body := make([]byte, l.size)
	copy(body, c.base)
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBody(body) }}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() { _ = server.Serve(ln) }()
	client := &fasthttp.Client{MaxConnsPerHost: l.concurrency, MaxResponseBodySize: l.size + 1}
	uri := "http://" + ln.Addr().String() + "/"
	requests := make([]*fasthttp.Request, l.concurrency)
	answers := make([]*fasthttp.Response, l.concurrency)
	for i := range requests {
		requests[i], answers[i] = &fasthttp.Request{}, &fasthttp.Response{}
		requests[i].SetRequestURI(uri)
	}
	return func(_ context.Context, worker, _ int) error {
		if err := client.Do(requests[worker], answers[worker]); err != nil {
			return err
		}
		if n := len(answers[worker].Body()); n != l.size {
			return fmt.Errorf("got %d of %d bytes", n, l.size)
		}
		return nil
	}, func() { client.CloseIdleConnections(); _ = server.Shutdown() }, nil
}

func openBLAKE3(_ string, l *limit, c *Content) (func(context.Context, int, int) error, func(), error) {
	buffers := perWorker(l)
	c.Fill(buffers[0], 0, 0)
	return func(_ context.Context, worker, n int) error {
		buffers[worker][0] = byte(n)
		_ = protocol.HashOf(buffers[worker])
		return nil
	}, func() {}, nil
}

func openZstd(_ string, l *limit, c *Content) (func(context.Context, int, int) error, func(), error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, nil, err
	}
	buffers := perWorker(l)
	c.Fill(buffers[0], 0, 0)
	var out []byte
	return func(context.Context, int, int) error {
		out = encoder.EncodeAll(buffers[0], out[:0])
		return nil
	}, func() { _ = encoder.Close() }, nil
}

// openLog stores batches of weight entries in a log store set up as ours.
func openLog(dir string, l *limit, _ *Content) (func(context.Context, int, int) error, func(), error) {
	store, err := raftboltdb.New(raftboltdb.Options{
		Path:        filepath.Join(dir, "log.db"),
		BoltOptions: &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType},
	})
	if err != nil {
		return nil, nil, err
	}
	data := make([]byte, commitSize)
	index := uint64(0)
	return func(context.Context, int, int) error {
		logs := make([]*raft.Log, l.weight)
		for i := range logs {
			index++
			logs[i] = &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: data}
		}
		return store.StoreLogs(logs)
	}, func() { _ = store.Close() }, nil
}

func perWorker(l *limit) [][]byte {
	out := make([][]byte, l.concurrency)
	for i := range out {
		out[i] = make([]byte, l.size)
	}
	return out
}
