package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// Fault is something that is wrong with a cluster for a while. Heal leaves the
// cluster whole again and may be called twice.
type Fault interface {
	Name() string
	Inject(ctx context.Context) error
	Heal(ctx context.Context) error
}

// Faults makes the faults that this machine can do to a cluster.
type Faults func(c *cluster.Cluster, r *rand.Rand) []Fault

// both is several faults at once.
type both []Fault

func (b both) Name() string {
	var names []string
	for _, f := range b {
		names = append(names, f.Name())
	}
	return strings.Join(names, "+")
}

func (b both) Inject(ctx context.Context) error {
	for _, f := range b {
		if err := f.Inject(ctx); err != nil {
			return fmt.Errorf("inject %s: %w", f.Name(), err)
		}
	}
	return nil
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
	for _, want := range strings.Split(name, "+") {
		found := false
		for _, f := range all {
			if f.Name() == want {
				chosen, found = append(chosen, f), true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("no fault %q on this machine; there are %s", want, both(all).Name())
		}
	}
	if len(chosen) == 1 {
		return chosen[0], nil
	}
	return chosen, nil
}
