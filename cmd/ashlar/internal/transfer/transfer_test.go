package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client/ashlartest"
	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func kinded(k protocol.Kind) error { return fmt.Errorf("wrapped: %w", &protocol.Error{Kind: k}) }

func TestAttemptTriesAgainOnlyWhatMayPass(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 1},
		{kinded(protocol.UnknownOutcome), 2},
		{kinded(protocol.Unavailable), 2},
		{kinded(protocol.NotFound), 1},
		{kinded(protocol.PreconditionFailed), 1},
		{errors.New("local"), 1},
	} {
		calls := 0
		err := attempt(t.Context(), func() error {
			if calls++; calls == 2 {
				return nil
			}
			return c.err
		})
		if calls != c.want || (calls == 2 && err != nil) {
			t.Errorf("%v: %d calls, %v", c.err, calls, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := attempt(ctx, func() error { return kinded(protocol.Busy) }); protocol.KindOf(err) != protocol.Busy {
		t.Errorf("got %v", err)
	}
}

// One bad item does not stop the others; an error that all would meet does.
func TestRunGoesOnUnlessAllWouldFail(t *testing.T) {
	for _, c := range []struct {
		kind protocol.Kind
		ends bool
	}{{protocol.InvalidArgument, false}, {protocol.DataLost, false}, {protocol.Full, true}, {protocol.WrongCluster, true}} {
		var names []string
		m, err := newMover(Config{Parallel: 1, Failed: func(name string, _ error) { names = append(names, name) }})
		if err != nil {
			t.Fatal(err)
		}
		var done atomic.Int64
		err = run(t.Context(), m, func(emit func(int) error) error {
			for i := range 100 {
				if err := emit(i); err != nil {
					return err
				}
			}
			return nil
		}, func(_ context.Context, i int) (string, error) {
			done.Add(1)
			if i == 3 {
				return "three", kinded(c.kind)
			}
			return "", nil
		})
		if c.ends != (protocol.KindOf(err) == c.kind) || c.ends != (done.Load() < 100) || len(names) != 1 {
			t.Errorf("%s: %v after %d, failed %q", c.kind, err, done.Load(), names)
		}
		if _, err := m.finish(nil); app.ExitCode(err) != app.ExitPartial {
			t.Errorf("%s: finish says %v", c.kind, err)
		}
	}
}

func TestRunStopsWhenCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m, err := newMover(Config{Parallel: 2, Failed: func(name string, err error) { t.Errorf("told of %s: %v", name, err) }})
	if err != nil {
		t.Fatal(err)
	}
	err = run(ctx, m, func(emit func(int) error) error {
		for i := 0; ; i++ {
			if err := emit(i); err != nil {
				return err
			}
		}
	}, func(_ context.Context, i int) (string, error) {
		if i == 5 {
			cancel()
			return "five", context.Canceled
		}
		return "", nil
	})
	if app.ExitCode(err) != app.ExitCanceled {
		t.Fatalf("got %v", err)
	}
}

func TestParallelHasBounds(t *testing.T) {
	for _, n := range []int{-1, 0, MaxParallel + 1} {
		if _, err := newMover(Config{Parallel: n}); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// What people may put below a prefix besides trees must not break a download.
func TestDownloadOfOddObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	c := ashlartest.Start(t).Client()
	for _, name := range []string{"p/plain", "p/", "p/dir/", "p/a//b", "p/plain/below", "p/x/../y"} {
		if _, err := c.Put(t.Context(), "odd", name, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	failed := map[string]bool{}
	s, err := Download(t.Context(), Config{Client: c, Parallel: 1, Failed: func(name string, _ error) { failed[name] = true }}, "odd", "p", t.TempDir())
	if app.ExitCode(err) != app.ExitPartial || s.Files != 1 || len(failed) != 4 || failed["odd/p/plain"] {
		t.Fatalf("%+v, %v, failed %v", s, err, failed)
	}
}
