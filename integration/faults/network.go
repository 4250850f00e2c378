package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/machines"
)

const (
	// lossPercent and slowBits are what a bad link does: the packets that it
	// drops, and the bits a second that it carries.
	lossPercent = 30
	slowBits    = 1_000_000
	// A link that flaps changes after minFlap to maxFlap.
	minFlap, maxFlap = 100 * time.Millisecond, 2 * time.Second
)

// network are the faults of section B of the fault list that packets can be
// dropped for. They need members on machines of their own.
func network(c *cluster.Cluster, r *rand.Rand) []Fault {
	if c.Network == nil {
		return nil
	}
	n := c.Network
	return []Fault{
		spoil(c, "isolate-leader", leader(c), func(m *machines.Machine) error { return n.Isolate(m) }),
		spoil(c, "isolate-follower", follower(c, r), func(m *machines.Machine) error { return n.Isolate(m) }),
		spoil(c, "isolate-blockserver", blockserver(c, r), func(m *machines.Machine) error { return n.Isolate(m) }),
		spoil(c, "deafen-leader", leader(c), func(m *machines.Machine) error { return n.Deafen(m) }),
		spoil(c, "mute-leader", leader(c), func(m *machines.Machine) error { return n.Mute(m) }),
		spoil(c, "part-leader-from-follower", leader(c), func(m *machines.Machine) error {
			for _, i := range r.Perm(len(c.Meta)) {
				if other := c.Meta[i].Machine; other != m {
					return n.Part(m, other)
				}
			}
			return nil
		}),
		spoil(c, "lose-packets", everyone(c), func(m *machines.Machine) error { return n.Lose(m, lossPercent) }),
		spoil(c, "slow-leader", leader(c), func(m *machines.Machine) error { return n.Slow(m, slowBits) }),
		flap(c, r, "flap-leader", leader(c)),
		flap(c, r, "flap-blockserver", blockserver(c, r)),
	}
}

func everyone(c *cluster.Cluster) victim {
	return func(context.Context) ([]*cluster.Member, error) { return c.Members(), nil }
}

// spoil does something to the victims' links; healing undoes all that was done
// to the network.
func spoil(c *cluster.Cluster, name string, choose victim, how func(*machines.Machine) error) Fault {
	return &fault{name: name, cluster: c, inject: func(ctx context.Context, f *fault) error {
		victims, err := choose(ctx)
		if err != nil {
			return err
		}
		f.undoes(func(context.Context) error { return c.Network.Heal() })
		for _, m := range victims {
			if err := how(m.Machine); err != nil {
				return err
			}
		}
		return nil
	}}
}

// flap isolates the victim and lets it back, again and again, until healed.
func flap(c *cluster.Cluster, r *rand.Rand, name string, choose victim) Fault {
	return &fault{name: name, cluster: c, inject: func(ctx context.Context, f *fault) error {
		victims, err := choose(ctx)
		if err != nil {
			return err
		}
		// The goroutine's own choices, so that r stays its caller's.
		random := rand.New(rand.NewPCG(r.Uint64(), 0))
		stop := make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() { flapping(c.Network, victims[0].Machine, random, stop) })
		end := sync.OnceFunc(func() {
			close(stop)
			group.Wait()
		})
		f.undoes(func(context.Context) error {
			end()
			return c.Network.Heal()
		})
		return nil
	}}
}

func flapping(n *machines.Network, m *machines.Machine, r *rand.Rand, stop <-chan struct{}) {
	for cut := true; ; cut = !cut {
		// A change that fails leaves the link as it was, and Heal tells.
		if cut {
			_ = n.Isolate(m)
		} else {
			_ = n.Heal()
		}
		timer := time.NewTimer(minFlap + time.Duration(r.Int64N(int64(maxFlap-minFlap))))
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return
		}
	}
}
