package meta

import (
	"context"
	"time"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// patience is how long one request goes on: in time, not in attempts, since how
// many attempts an election takes depends on how fast it is refused meanwhile.
type patience struct {
	group *Group
	begun time.Time
	// attempts were made; pauses drawn after them add up to paused.
	attempts, pauses int
	paused           time.Duration
}

func (g *Group) newPatience() patience { return patience{group: g, begun: time.Now()} }

// ended tells whether the time is used up. Pauses count as drawn, so that it ends
// even where they are not waited for.
func (p *patience) ended() bool {
	return p.attempts > 0 && max(p.paused, time.Since(p.begun)) >= p.group.cfg.Patience
}

func (p *patience) pause(ctx context.Context) {
	d := backoff(p.pauses)
	p.pauses++
	p.paused += d
	p.group.cfg.Pause(ctx, d)
}

func (p *patience) exhausted(path string, last error, unknown bool) error {
	kind := protocol.Unavailable
	if unknown {
		kind = protocol.UnknownOutcome
	}
	return protocol.Errorf(kind, "%s: gave up after %d attempts in %s: %w", path, p.attempts, p.group.cfg.Patience, last)
}
