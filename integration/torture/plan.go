package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/faults"
)

// Bed is what a cluster of a run stands on. Which faults there are depends on it.
type Bed struct {
	Name string
	// Cluster is how the cluster is started; Binary and Dir are the run's.
	Cluster cluster.Config
}

// plan is which runs a campaign makes, by number.
type plan struct {
	beds []Bed
	// singles are all faults, each on the first bed that has it.
	singles []choice
	// names are the faults by bed.
	names map[string][]string
}

// choice is what one run does.
type choice struct {
	bed   Bed
	fault string
}

// survey starts a cluster on each bed and asks which faults there are.
func (c Campaign) survey(ctx context.Context) (*plan, error) {
	p := &plan{beds: c.Beds, names: map[string][]string{}}
	seen := map[string]bool{}
	for _, bed := range c.Beds {
		dir := filepath.Join(c.Dir, "survey-"+bed.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		up, err := start(ctx, bed, c.Binary, dir)
		if err != nil {
			return nil, fmt.Errorf("bed %s: %w", bed.Name, err)
		}
		for _, f := range faults.All(up, rand.New(rand.NewPCG(0, 0))) {
			p.names[bed.Name] = append(p.names[bed.Name], f.Name())
			if !seen[f.Name()] {
				seen[f.Name()] = true
				p.singles = append(p.singles, choice{bed, f.Name()})
			}
		}
		up.Stop()
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// choose gives run number n: each fault once, then two at once, by the seed.
func (p *plan) choose(n int, seed uint64) choice {
	if n < len(p.singles) {
		return p.singles[n]
	}
	r := rand.New(rand.NewPCG(seed, 11))
	bed := p.beds[r.IntN(len(p.beds))]
	names := p.names[bed.Name]
	i := r.IntN(len(names))
	j := (i + 1 + r.IntN(len(names)-1)) % len(names)
	return choice{bed, names[i] + "+" + names[j]}
}

// named finds the bed that has all the named faults.
func (p *plan) named(fault string) (choice, error) {
	wanted := strings.Split(fault, "+")
	for _, bed := range p.beds {
		missing := slices.ContainsFunc(wanted, func(f string) bool { return !slices.Contains(p.names[bed.Name], f) })
		if !missing {
			return choice{bed, fault}, nil
		}
	}
	return choice{}, fmt.Errorf("no bed of this machine has %q; there are %v", fault, p.names)
}

// start runs a cluster on a bed.
func start(ctx context.Context, bed Bed, binary, dir string) (*cluster.Cluster, error) {
	cfg := bed.Cluster
	cfg.Binary, cfg.Dir = binary, dir
	return cluster.Start(ctx, cfg)
}
