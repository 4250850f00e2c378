package health

import (
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

const (
	// paceWindow is how far back speed is measured, paceSamples how finely.
	paceWindow  = time.Minute
	paceSamples = 32
	// maxPaces bounds the jobs whose speed is kept.
	maxPaces = 1024
)

// paces measures how fast jobs go. Its zero value has seen nothing.
type paces struct {
	mu   sync.Mutex
	jobs map[string]*pace
}

// pace is what was seen of one job: how much was left, at times.
type pace struct {
	samples []sample
	// most is the most that was left at any time.
	most uint64
}

type sample struct {
	at            time.Time
	blocks, bytes uint64
}

// observe takes the running jobs down and forgets all others.
func (p *paces) observe(now time.Time, jobs []*pb.JobInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := make(map[string]*pace, len(jobs))
	for _, j := range jobs[:min(len(jobs), maxPaces)] {
		if j.GetState() != "running" {
			continue
		}
		at := p.jobs[j.GetId()]
		if at == nil {
			at = &pace{}
		}
		at.add(sample{now, j.GetBlocksLeft(), j.GetBytesLeft()})
		seen[j.GetId()] = at
	}
	p.jobs = seen
}

func (p *pace) add(s sample) {
	p.most = max(p.most, s.blocks)
	if n := len(p.samples); n > 1 && s.at.Sub(p.samples[n-2].at) < paceWindow/paceSamples {
		p.samples = p.samples[:n-1]
	}
	p.samples = append(p.samples, s)
	for len(p.samples) > 2 && s.at.Sub(p.samples[0].at) > paceWindow {
		p.samples = p.samples[1:]
	}
}

// fill completes a job with its speed and the time it will take, where they are
// known: a job that gains as much as it does has neither.
func (p *paces) fill(j *pb.JobInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.jobs[j.GetId()]
	if at == nil || j.GetState() != "running" {
		return
	}
	if j.BlocksTotal == 0 {
		j.BlocksTotal = max(at.most, j.BlocksLeft)
		j.BlocksDone = j.BlocksTotal - j.BlocksLeft
	}
	first, last := at.samples[0], at.samples[len(at.samples)-1]
	took := last.at.Sub(first.at)
	if took <= 0 {
		return
	}
	j.BlocksPerSecond = speed(first.blocks, last.blocks, took)
	j.BytesPerSecond = speed(first.bytes, last.bytes, took)
	if done := first.blocks - min(last.blocks, first.blocks); done > 0 {
		j.EtaSeconds = uint64(took.Seconds()*float64(j.BlocksLeft)/float64(done)) + 1
	}
}

func speed(before, after uint64, took time.Duration) uint64 {
	return uint64(float64(before-min(after, before)) / took.Seconds())
}
