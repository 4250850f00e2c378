package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"sync"
	"time"
)

// Recorder collects operations. It is safe for concurrent use.
type Recorder struct {
	begun time.Time

	mu   sync.Mutex
	next int
	ops  []Operation
}

// NewRecorder begins a history now.
func NewRecorder() *Recorder { return &Recorder{begun: time.Now()} }

// Now is the moment on the history's clock, which is monotonic.
func (r *Recorder) Now() int64 { return int64(time.Since(r.begun)) }

// Begin numbers an operation and notes its call. The caller fills in the rest
// and gives it to End.
func (r *Recorder) Begin(o Operation) Operation {
	r.mu.Lock()
	r.next++
	o.ID = r.next
	r.mu.Unlock()
	o.Call, o.Return = r.Now(), Open
	return o
}

// End notes the return and keeps the operation. One of unknown outcome stays open.
func (r *Recorder) End(o Operation) Operation {
	o.Return = r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, o)
	return o
}

// Operations are those that have ended so far, by their calls.
func (r *Recorder) Operations() []Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := append([]Operation(nil), r.ops...)
	sort.Slice(out, func(i, j int) bool { return out[i].Call < out[j].Call })
	return out
}

// Save writes operations to a file, a line of JSON each.
func Save(path string, ops []Operation) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	for i := range ops {
		if err := e.Encode(&ops[i]); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err := w.Flush(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// Load reads what Save wrote.
func Load(path string) ([]Operation, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var ops []Operation
	d := json.NewDecoder(bufio.NewReader(f))
	for {
		var o Operation
		if err := d.Decode(&o); err == io.EOF {
			return ops, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: operation %d: %w", path, len(ops)+1, err)
		}
		ops = append(ops, o)
	}
}
