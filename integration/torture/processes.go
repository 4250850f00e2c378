package torture

import (
	"context"
	"math/rand/v2"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// stopLeader is the name of the fault that every run has.
const stopLeader = "freeze-leader"

// Processes are the faults of signals: a member is killed as by a power cut and
// started again on its folder, or stopped and let go on.
func Processes(c *cluster.Cluster, r *rand.Rand) []Fault {
	follower := func(ctx context.Context) (*cluster.Member, error) {
		leader, err := c.Leader(ctx)
		if err != nil {
			return nil, err
		}
		var others []*cluster.Member
		for _, m := range c.Meta {
			if m != leader {
				others = append(others, m)
			}
		}
		return others[r.IntN(len(others))], nil
	}
	block := func(context.Context) (*cluster.Member, error) { return c.Block[r.IntN(len(c.Block))], nil }
	kill, freeze := (*cluster.Member).Kill, (*cluster.Member).Freeze
	return []Fault{
		&signal{name: "kill-leader", cluster: c, pick: c.Leader, do: kill},
		&signal{name: "kill-follower", cluster: c, pick: follower, do: kill},
		&signal{name: "kill-blockserver", cluster: c, pick: block, do: kill},
		&signal{name: stopLeader, cluster: c, pick: c.Leader, do: freeze},
		&signal{name: "freeze-blockserver", cluster: c, pick: block, do: freeze},
	}
}

// signal is a fault of one member.
type signal struct {
	name    string
	cluster *cluster.Cluster
	pick    func(context.Context) (*cluster.Member, error)
	do      func(*cluster.Member)
	victim  *cluster.Member
}

func (s *signal) Name() string { return s.name }

func (s *signal) Inject(ctx context.Context) (err error) {
	if s.victim, err = s.pick(ctx); err != nil {
		return err
	}
	s.do(s.victim)
	return nil
}

func (s *signal) Heal(ctx context.Context) error {
	if s.victim == nil {
		return nil
	}
	s.victim.Thaw()
	if !s.victim.Running() {
		if err := s.victim.Start(); err != nil {
			return err
		}
	}
	if err := s.cluster.WaitReady(ctx); err != nil {
		return err
	}
	s.victim = nil
	return nil
}
