package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/history"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const (
	// settleTimeout bounds the wait for each state after healing. Sessions that
	// could not be closed expire within it.
	settleTimeout = 15 * time.Minute
	pollInterval  = 100 * time.Millisecond
	// restartWalks is how often leadership is handed over while strays are waited
	// for: a new leader takes inventories at once and not after a minute's rest.
	restartWalks = 15 * time.Second
)

// checkAll asks for everything that was promised.
func (t *run) checkAll(ctx context.Context) error {
	for _, c := range []struct {
		what string
		fn   func(context.Context) error
	}{
		{"a write succeeds", t.writes},
		{"what is there reads back", t.readAll},
		{"redundancy is full and the garbage is gone", t.settles},
		{"the metaservers hold the same state", t.sameState},
		{"their counters are right", t.recounts},
		{"every block can be read from R blockservers", t.everyCopy},
		{"blockservers hold what is counted and nothing else", t.noStrays},
		{"when everything is deleted, nothing remains", t.nothingRemains},
	} {
		begun := time.Now()
		if err := c.fn(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		t.cfg.Log("  %-52s %.1f s", c.what, time.Since(begun).Seconds())
	}
	return nil
}

// until polls for a state; missing says what it lacks, nil for nothing.
func until(ctx context.Context, missing func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var before error
	for {
		err := missing(ctx)
		var final fatalError
		if err == nil || errors.As(err, &final) {
			return err
		}
		if ctx.Err() != nil {
			// The last look may have been cut short and then tells nothing.
			return fmt.Errorf("not within %v: %w; the look before: %w", settleTimeout, err, before)
		}
		before = err
		wait(ctx, pollInterval)
	}
}

// fatalError is one that waiting does not mend.
type fatalError struct{ error }

// checker is a client like the others, which writes down what it reads.
func (t *run) checker(sdk *client.Client) *worker {
	return &worker{
		id: t.cfg.Clients, sdk: sdk, r: rand.New(rand.NewPCG(t.cfg.Seed, 3)), keys: t.keys, contents: newContents(t.cfg.Seed + 1),
		record: t.record, surprise: t.surprise, careful: true,
	}
}

func (t *run) writes(ctx context.Context) error {
	return t.with(ctx, func(sdk *client.Client) error {
		w := t.checker(sdk)
		return until(ctx, func(ctx context.Context) error {
			o := w.once(ctx, history.Operation{Client: w.id, Verb: history.Put, Key: "p9999/k0", Level: history.Linearizable})
			if o.Outcome != history.Done {
				return errors.New(o.Error)
			}
			return nil
		})
	})
}

// readAll reads every key that was ever used, and lists every prefix; the judges
// see the answers.
func (t *run) readAll(ctx context.Context) error {
	used := map[string]history.Verb{}
	for _, o := range t.record.Operations() {
		if o.Verb == history.List {
			used[o.Key] = history.List
		} else {
			used[o.Key] = history.Get
		}
	}
	return t.with(ctx, func(sdk *client.Client) error {
		w := t.checker(sdk)
		for _, key := range slices.Sorted(maps.Keys(used)) {
			err := until(ctx, func(ctx context.Context) error {
				o := w.once(ctx, history.Operation{Client: w.id, Verb: used[key], Key: key, Level: history.Linearizable})
				if !o.Answered() {
					return fmt.Errorf("%s: %s", key, o.Error)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// noGrace lets unreferenced blocks be condemned at once.
func (t *run) noGrace(ctx context.Context) error {
	return t.with(ctx, func(sdk *client.Client) error {
		none := uint64(0)
		return sdk.Ask(ctx, protocol.PathWorkSet, &pb.WorkSetRequest{GraceMs: &none}, &pb.WorkSetAnswer{})
	})
}

// settles waits until every block has its copies and nothing is left to collect.
func (t *run) settles(ctx context.Context) error {
	return t.with(ctx, func(sdk *client.Client) error {
		return until(ctx, func(ctx context.Context) error {
			status, err := sdk.Status(ctx)
			if err != nil {
				return err
			}
			n := status.GetCounters()
			if n.GetUnderReplicatedBlocks()+n.GetUnreferencedBlocks()+n.GetCondemnedBlocks()+n.GetUnreferenceJobs()+n.GetMovingBlocks()+n.GetSessions() > 0 {
				return fmt.Errorf("%d blocks lack copies, %d are unreferenced, %d condemned, %d are moving; %d jobs and %d sessions are left; %s",
					n.GetUnderReplicatedBlocks(), n.GetUnreferencedBlocks(), n.GetCondemnedBlocks(), n.GetMovingBlocks(), n.GetUnreferenceJobs(), n.GetSessions(), work(ctx, sdk))
			}
			return nil
		})
	})
}

// work is what the leader would do next and what it waits for.
func work(ctx context.Context, sdk *client.Client) string {
	ans := &pb.WorkPlanAnswer{}
	if err := sdk.Ask(ctx, protocol.PathWorkPlan, &pb.WorkPlanRequest{}, ans); err != nil {
		return err.Error()
	}
	text := fmt.Sprint(ans.GetSteps())
	for _, w := range ans.GetWaiting() {
		text += fmt.Sprintf("; class %d, lane %d: %d wait: %s", w.GetClass(), w.GetLane(), w.GetCount(), w.GetWhy())
	}
	return text
}
