package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// Names of operations.
const (
	// OpPut puts objects of new bytes.
	OpPut = "put"
	// OpGet gets objects whole.
	OpGet = "get"
	// OpStat asks for an object's description, linearizably.
	OpStat = "stat"
	// OpLookup gets a small object that lives in metadata, linearizably.
	OpLookup = "lookup"
	// OpCommit puts a small object that lives in metadata: one log entry, no block.
	OpCommit = "commit"
)

// Ops are all operations, in the order of a run.
var Ops = []string{OpPut, OpGet, OpCommit, OpLookup, OpStat}

const (
	// bucket is where a run keeps its objects.
	bucket = "ashlar-bench"
	// workingSet is how many objects get, stat and lookup go around.
	workingSet = 64
	// smallSize is the bytes of an object of commit and lookup.
	smallSize = 128
)

// load drives one cluster.
type load struct {
	client *client.Client
	cpu    *Processors
	per    time.Duration
	prefix string
	// measured counts measurements, to salt each one's content.
	measured uint64
}

// data measures put or get of objects of c's size.
func (l *load) data(ctx context.Context, op string, concurrency int, c *Content) (Result, error) {
	w := Work{Name: op, Size: c.Size, Concurrency: concurrency, For: l.per}
	l.measured++
	c.Salt = l.measured
	switch op {
	case OpPut:
		w.Do = l.put(op, c, concurrency)
	case OpGet:
		name := func(n int) string { return fmt.Sprintf("%sset-%d/%d", l.prefix, c.Size, n) }
		if err := l.fill(ctx, name, c, concurrency); err != nil {
			return Result{}, err
		}
		buffers := make([][]byte, concurrency)
		w.Do = func(ctx context.Context, worker, n int) error {
			if buffers[worker] == nil {
				buffers[worker] = make([]byte, 256<<10)
			}
			return l.get(ctx, name((worker*7+n)%workingSet), c.Size, buffers[worker])
		}
	}
	return Drive(ctx, w, l.cpu)
}

// small measures commit, lookup or stat.
func (l *load) small(ctx context.Context, op string, concurrency int, seed uint64) (Result, error) {
	l.measured++
	c := &Content{Seed: seed, Size: smallSize, Salt: l.measured}
	c.Prepare()
	w := Work{Name: op, Concurrency: concurrency, For: l.per}
	name := func(n int) string { return fmt.Sprintf("%ssmall/%d", l.prefix, n) }
	if op != OpCommit {
		if err := l.fill(ctx, name, c, concurrency); err != nil {
			return Result{}, err
		}
	}
	switch op {
	case OpCommit:
		w.Do = l.put(fmt.Sprintf("%s-%d", op, concurrency), c, concurrency)
	case OpLookup:
		buffer := make([][]byte, concurrency)
		w.Do = func(ctx context.Context, worker, n int) error {
			if buffer[worker] == nil {
				buffer[worker] = make([]byte, 1<<10)
			}
			return l.get(ctx, name((worker*7+n)%workingSet), smallSize, buffer[worker])
		}
	case OpStat:
		w.Do = func(ctx context.Context, worker, n int) error {
			_, err := l.client.Stat(ctx, bucket, name((worker*7+n)%workingSet))
			return err
		}
	}
	return Drive(ctx, w, l.cpu)
}

func (l *load) put(label string, c *Content, concurrency int) func(context.Context, int, int) error {
	buffers := make([][]byte, concurrency)
	for i := range buffers {
		buffers[i] = make([]byte, c.Size)
	}
	return func(ctx context.Context, worker, n int) error {
		c.Fill(buffers[worker], worker, n)
		_, err := l.client.Put(ctx, bucket, fmt.Sprintf("%s%s-%d/%d-%d", l.prefix, label, c.Size, worker, n), bytes.NewReader(buffers[worker]))
		return err
	}
}

func (l *load) get(ctx context.Context, name string, size int, buffer []byte) error {
	r, err := l.client.Get(ctx, bucket, name)
	if err != nil {
		return err
	}
	defer r.Close()
	total := 0
	for {
		n, err := r.Read(buffer)
		total += n
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if total != size {
		return protocol.Errorf(protocol.ShortBody, "got %d of %d bytes of %s", total, size, name)
	}
	return nil
}

// fill puts the working set, not measured.
func (l *load) fill(ctx context.Context, name func(int) string, c *Content, concurrency int) error {
	b := make([]byte, c.Size)
	const setWorker = 1 << 20 // a worker's number that no worker of put has
	for n := range workingSet {
		c.Fill(b, setWorker+concurrency, n)
		if _, err := l.client.Put(ctx, bucket, name(n), bytes.NewReader(b)); err != nil {
			return err
		}
	}
	return nil
}

// clear deletes what the run has put.
func (l *load) clear(ctx context.Context) error {
	var names []string
	for e, err := range l.client.List(ctx, bucket, client.WithPrefix(l.prefix)) {
		if err != nil {
			return err
		}
		names = append(names, e.Name)
	}
	_, err := l.client.DeleteBatch(ctx, bucket, names)
	return err
}
