package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/faults"
)

// stopLeader is the fault that every run has besides its own.
const stopLeader = "freeze-leader"

// Fault is something that is wrong with a cluster for a while.
type Fault = faults.Fault

// both is several faults at once.
type both []Fault

func (b both) Name() string {
	var names []string
	for _, f := range b {
		names = append(names, f.Name())
	}
	return strings.Join(names, "+")
}

// secondTimeout bounds the injection of a fault while another is in force, which
// may keep it from coming about.
const secondTimeout = 20 * time.Second

// Inject puts the first in force, and of the others what can be beside it. What
// began and failed is healed like the rest.
func (b both) Inject(ctx context.Context) error {
	if err := b[0].Inject(ctx); err != nil {
		return err
	}
	for _, f := range b[1:] {
		bounded, cancel := context.WithTimeout(ctx, secondTimeout)
		_ = f.Inject(bounded)
		cancel()
	}
	return ctx.Err()
}

// Heal heals all at once: the first to be undone waits for a whole cluster, which
// there is only when the others are undone too.
func (b both) Heal(ctx context.Context) error {
	failed := make([]error, len(b))
	var healing sync.WaitGroup
	for i, f := range b {
		healing.Go(func() {
			if err := f.Heal(ctx); err != nil {
				failed[i] = fmt.Errorf("heal %s: %w", f.Name(), err)
			}
		})
	}
	healing.Wait()
	return errors.Join(failed...)
}

// choose finds the named faults, joined by +.
func choose(all []Fault, name string) (Fault, error) {
	var chosen both
	for want := range strings.SplitSeq(name, "+") {
		i := slices.IndexFunc(all, func(f Fault) bool { return f.Name() == want })
		if i < 0 {
			return nil, fmt.Errorf("no fault %q here; there are %s", want, both(all).Name())
		}
		chosen = append(chosen, all[i])
	}
	if len(chosen) == 1 {
		return chosen[0], nil
	}
	return chosen, nil
}
