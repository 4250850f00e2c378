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
type both struct {
	all []Fault
	// missed are those that could not be put in force beside the others, of the last
	// injection.
	missed []string
}

func (b *both) Name() string { return names(b.all) }

func names(all []Fault) string {
	var names []string
	for _, f := range all {
		names = append(names, f.Name())
	}
	return strings.Join(names, "+")
}

// secondTimeout bounds the injection of a fault while another is in force, which
// may keep it from coming about.
const secondTimeout = 20 * time.Second

// Inject puts the first in force, and of the others what can be beside it. What
// began and failed is healed like the rest.
func (b *both) Inject(ctx context.Context) error {
	b.missed = nil
	if err := b.all[0].Inject(ctx); err != nil {
		return err
	}
	for _, f := range b.all[1:] {
		bounded, cancel := context.WithTimeout(ctx, secondTimeout)
		if err := f.Inject(bounded); err != nil {
			// What a cluster that did not come up says besides is in its logs.
			why, _, _ := strings.Cut(err.Error(), "\n")
			b.missed = append(b.missed, f.Name()+": "+why)
		}
		cancel()
	}
	return ctx.Err()
}

// Heal heals all at once: the first to be undone waits for a whole cluster, which
// there is only when the others are undone too.
func (b *both) Heal(ctx context.Context) error {
	failed := make([]error, len(b.all))
	var healing sync.WaitGroup
	for i, f := range b.all {
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
	chosen := &both{}
	for want := range strings.SplitSeq(name, "+") {
		i := slices.IndexFunc(all, func(f Fault) bool { return f.Name() == want })
		if i < 0 {
			return nil, fmt.Errorf("no fault %q here; there are %s", want, names(all))
		}
		chosen.all = append(chosen.all, all[i])
	}
	if len(chosen.all) == 1 {
		return chosen.all[0], nil
	}
	return chosen, nil
}
