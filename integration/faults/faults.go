// Package faults makes things go wrong on a real cluster, and right again: one
// fault is one way in which a machine, a network or a disk misbehaves, done to
// the processes of package cluster.
//
// A fault chooses its victim when it is injected, with the randomness that it
// was made with: "the leader" is whoever leads at that moment. Faults are meant
// to be injected one at a time; two at once take away majorities, and then
// healing the first cannot make the cluster whole.
//
// Invariants, by name:
//
//   - Owned: only processes, namespaces, file systems and proxies that this test
//     process made are touched.
//   - Healed: after Heal has returned nil, every member runs, reaches every
//     other one, and the cluster takes writes.
package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/machines"
)

// Fault is one thing that goes wrong. Its methods are not safe for concurrent
// use with those of other faults of one All: they share its randomness.
type Fault interface {
	// Name says what goes wrong and to whom, as in "freeze-leader".
	Name() string
	// Inject makes it go wrong. After an error the cluster may be half broken;
	// Heal makes it whole in that case too.
	Inject(ctx context.Context) error
	// Heal undoes it and waits until the cluster is whole. It is idempotent, and
	// without a fault injected it only waits.
	Heal(ctx context.Context) error
}

// fault is a Fault put together from two functions. inject registers what
// undoes it step by step, so that what failed half-way is undone too.
type fault struct {
	name    string
	cluster *cluster.Cluster
	inject  func(ctx context.Context, f *fault) error

	mu   sync.Mutex
	undo []func(ctx context.Context) error
}

// Name is part of Fault.
func (f *fault) Name() string { return f.name }

// Inject is part of Fault.
func (f *fault) Inject(ctx context.Context) error { return f.inject(ctx, f) }

// undoes registers what Heal does; the last registered is done first.
func (f *fault) undoes(step func(ctx context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.undo = append(f.undo, step)
}

// Heal is part of Fault. A step that failed is kept and tried again by the next.
func (f *fault) Heal(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left []func(ctx context.Context) error
	var errs []error
	for i := len(f.undo) - 1; i >= 0; i-- {
		if err := f.undo[i](ctx); err != nil {
			left = append([]func(ctx context.Context) error{f.undo[i]}, left...)
			errs = append(errs, err)
		}
	}
	f.undo = left
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return f.cluster.WaitReady(ctx)
}

// All returns the faults that can be done to c here. Which those are depends on
// what c was started with: links between Machines can be cut, those of a Proxied
// cluster delayed and repeated, Disks filled, and snapshots installed where the
// flag --trailing-logs is small. The choices come from r, which nobody else may
// use while a fault is being injected.
func All(c *cluster.Cluster, r *rand.Rand) []Fault {
	return slices.Concat(processes(c, r), group(c, r), network(c, r), links(c), disks(c, r), clocks(c, r))
}

// Missing returns what this machine cannot do, and why, a sentence each.
func Missing() []string {
	var out []string
	if err := machines.Missing(); err != nil {
		out = append(out, fmt.Sprintf("no cut, lossy or slow links and no full disks: %v", err))
	}
	if err := straceMissing(); err != nil {
		out = append(out, fmt.Sprintf("no failing and no stalling syncs: %v", err))
	}
	return out
}
