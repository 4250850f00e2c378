package transfer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/terminal"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

const (
	// DefaultParallel is how many files are in flight.
	DefaultParallel = 32
	// MaxParallel bounds --parallel.
	MaxParallel = 1024
	// maxAttempts bounds how often one file is tried; the client has tried many
	// times within each.
	maxAttempts = 5
	// firstPause is the wait before the second attempt; it doubles.
	firstPause = 250 * time.Millisecond
)

// Config describes a transfer.
type Config struct {
	Client *client.Client
	// Parallel is how many files are in flight, 1 to MaxParallel.
	Parallel int
	// Progress may be nil.
	Progress *terminal.Progress
	// Failed is told of each item that failed, one call at a time; may be nil.
	Failed func(name string, err error)
}

// Summary is what a transfer did, with the field names of -o json.
type Summary struct {
	Files   int64   `json:"files"`
	Links   int64   `json:"links"`
	Folders int64   `json:"folders"`
	Bytes   int64   `json:"bytes"`
	Failed  int64   `json:"failed"`
	Seconds float64 `json:"seconds"`
}

// mover runs one transfer.
type mover struct {
	Config
	start time.Time

	files, links, folders, bytes, failed atomic.Int64

	mu sync.Mutex
}

func newMover(cfg Config) (*mover, error) {
	if cfg.Parallel < 1 || cfg.Parallel > MaxParallel {
		return nil, protocol.Errorf(protocol.InvalidArgument, "--parallel is 1 to %d, not %d", MaxParallel, cfg.Parallel)
	}
	if cfg.Progress == nil {
		cfg.Progress = &terminal.Progress{}
	}
	return &mover{Config: cfg, start: time.Now()}, nil
}

// run gives what produce emits to the workers.
func run[T any](ctx context.Context, m *mover, produce func(emit func(T) error) error, work func(context.Context, T) (name string, err error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T, m.Parallel)
	var group sync.WaitGroup
	for range m.Parallel {
		group.Go(func() {
			for item := range queue {
				if ctx.Err() != nil {
					continue
				}
				// What fails once the transfer has ended says nothing new.
				if name, err := work(ctx, item); err != nil && ctx.Err() == nil {
					m.fail(name, err)
					if endsAll(err) {
						cancel(err)
					}
				}
			}
		})
	}
	err := produce(func(item T) error {
		select {
		case queue <- item:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(queue)
	group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return asCanceled(cause)
	}
	return err
}

// finish sums up; failures of single items make the error app.Partial.
func (m *mover) finish(err error) (Summary, error) {
	s := Summary{
		Files: m.files.Load(), Links: m.links.Load(), Folders: m.folders.Load(), Bytes: m.bytes.Load(),
		Failed: m.failed.Load(), Seconds: time.Since(m.start).Seconds(),
	}
	if err == nil && s.Failed > 0 {
		err = &app.Partial{Failed: int(s.Failed), All: int(s.Failed + s.Files + s.Links + s.Folders)}
	}
	return s, err
}

// counted adds one to n where err is nil; it returns err.
func counted(n *atomic.Int64, err error) error {
	if err == nil {
		n.Add(1)
	}
	return err
}

func (m *mover) fail(name string, err error) {
	m.failed.Add(1)
	if m.Failed != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.Failed(name, err)
	}
}

// attempt tries do until it works, fails for good, or has been tried enough.
func attempt(ctx context.Context, do func() error) error {
	for n, pause := 1, firstPause; ; n, pause = n+1, pause*2 {
		err := do()
		if err == nil || n == maxAttempts || !passes(err) || ctx.Err() != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// passes tells errors that a later attempt may not meet.
func passes(err error) bool {
	switch protocol.KindOf(err) {
	case protocol.Unavailable, protocol.NotLeader, protocol.Busy, protocol.UnknownOutcome, protocol.SessionExpired,
		protocol.ClaimsRefused, protocol.StaleRequest, protocol.LayoutUnready, protocol.NotRegistered, protocol.ShortBody:
		return true
	}
	return false
}

// endsAll tells errors that every other item would meet too.
func endsAll(err error) bool {
	switch protocol.KindOf(err) {
	case protocol.Unavailable, protocol.NotLeader, protocol.LayoutUnready, protocol.WrongCluster, protocol.Unauthorized,
		protocol.Removed, protocol.Canceled, protocol.Full:
		return true
	}
	return errors.Is(err, context.Canceled)
}

func asCanceled(err error) error {
	if errors.Is(err, context.Canceled) && protocol.KindOf(err) == protocol.Internal {
		return protocol.Errorf(protocol.Canceled, "stopped: %w", err)
	}
	return err
}
