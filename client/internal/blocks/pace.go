package blocks

import (
	"slices"
	"sync"
	"time"
)

const (
	// paceSamples is how many of the latest fetches patience is drawn from.
	paceSamples = 64
	// firstPatience holds until there are samples; minPatience keeps noise on a
	// fast link from spending the budget.
	firstPatience = 200 * time.Millisecond
	minPatience   = 5 * time.Millisecond
	maxPatience   = 2 * time.Second
	// hedgeShare is what each fetch adds to the budget of second requests, in
	// hundredths of one; hedgeBurst bounds the budget.
	hedgeShare = 5
	hedgeBurst = 1000
)

// pace decides when a fetch is slow and whether a second one may race it: after
// twice the time that 19 of 20 fetches take, and for at most one fetch in twenty.
type pace struct {
	mu      sync.Mutex
	samples [paceSamples]time.Duration
	count   int
	p95     time.Duration
	budget  int
}

// observe notes how long a fetch took.
func (p *pace) observe(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples[p.count%paceSamples] = d
	p.count++
	if p.count%16 == 0 {
		sorted := p.samples
		n := min(p.count, paceSamples)
		slices.Sort(sorted[:n])
		p.p95 = sorted[n*95/100]
	}
	p.budget = min(p.budget+hedgeShare, hedgeBurst)
}

// patience is how long to wait for one copy before asking a second.
func (p *pace) patience() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.p95 == 0 {
		return firstPatience
	}
	return min(max(2*p.p95, minPatience), maxPatience)
}

// spend takes one second request out of the budget, if it has one. Before the
// first few fetches there is no budget to speak of, and one is free.
func (p *pace) spend() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count < paceSamples {
		return true
	}
	if p.budget < 100 {
		return false
	}
	p.budget -= 100
	return true
}
