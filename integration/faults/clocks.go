package faults

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// offsets are how far a clock is off: an hour and a day, ahead and behind.
var offsets = []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour}

// clocks are the faults of section F of the fault list: metaservers whose wall
// clock is wrong, from a restart until the next. Blockservers have no flag for it.
func clocks(c *cluster.Cluster, r *rand.Rand) []Fault {
	return []Fault{
		clock(c, r, "shift-clock-of-leader", leader(c)),
		clock(c, r, "shift-clock-of-follower", follower(c, r)),
		clock(c, r, "shift-clocks-of-all-metaservers", metaservers(c)),
	}
}

// clock starts the victims again, each with an offset of its own; healing starts
// them without.
func clock(c *cluster.Cluster, r *rand.Rand, name string, choose victim) Fault {
	return &fault{name: name, cluster: c, inject: func(ctx context.Context, f *fault) error {
		victims, err := choose(ctx)
		if err != nil {
			return err
		}
		first := r.IntN(len(offsets))
		for i, m := range victims {
			f.undoes(func(context.Context) error { return m.Restart() })
			m.Kill()
			if err := m.Start("--clock-offset", offsets[(first+i)%len(offsets)].String()); err != nil {
				return err
			}
		}
		return c.WaitReady(ctx)
	}}
}
