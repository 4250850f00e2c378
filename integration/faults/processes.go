package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

// victim chooses the members that a fault is done to.
type victim func(ctx context.Context) ([]*cluster.Member, error)

func leader(c *cluster.Cluster) victim {
	return func(ctx context.Context) ([]*cluster.Member, error) {
		m, err := c.Leader(ctx)
		return []*cluster.Member{m}, err
	}
}

func follower(c *cluster.Cluster, r *rand.Rand) victim {
	return func(ctx context.Context) ([]*cluster.Member, error) {
		lead, err := c.Leader(ctx)
		if err != nil {
			return nil, err
		}
		for _, i := range r.Perm(len(c.Meta)) {
			if c.Meta[i] != lead {
				return c.Meta[i : i+1], nil
			}
		}
		return nil, fmt.Errorf("the leader %s has no follower", lead.Name)
	}
}

func blockserver(c *cluster.Cluster, r *rand.Rand) victim {
	return func(context.Context) ([]*cluster.Member, error) {
		return []*cluster.Member{c.Block[r.IntN(len(c.Block))]}, nil
	}
}

func metaservers(c *cluster.Cluster) victim {
	return func(context.Context) ([]*cluster.Member, error) { return c.Meta, nil }
}

// processes are the faults of section A of the fault list: members that die and
// members that stand still.
func processes(c *cluster.Cluster, r *rand.Rand) []Fault {
	return []Fault{
		kill(c, "kill-leader", leader(c)),
		kill(c, "kill-follower", follower(c, r)),
		kill(c, "kill-all-metaservers", metaservers(c)),
		kill(c, "kill-blockserver", blockserver(c, r)),
		freeze(c, "freeze-leader", leader(c)),
		freeze(c, "freeze-follower", follower(c, r)),
		freeze(c, "freeze-blockserver", blockserver(c, r)),
		exhaust(c, "exhaust-files-of-leader", leader(c)),
		exhaust(c, "exhaust-files-of-follower", follower(c, r)),
		exhaust(c, "exhaust-files-of-blockserver", blockserver(c, r)),
	}
}

// exhaust leaves the victims no file descriptor to open: they go on with those they
// have. A metaserver may end by that; healing starts it again. A blockserver's disk
// whose folder could not be synced acknowledges nothing more until its server is
// started again, and healing does that.
func exhaust(c *cluster.Cluster, name string, choose victim) Fault {
	return &fault{name: name, cluster: c, inject: func(ctx context.Context, f *fault) error {
		victims, err := choose(ctx)
		if err != nil {
			return err
		}
		for _, m := range victims {
			pid := m.Pid()
			if pid == 0 { // which would mean this process
				return fmt.Errorf("%s does not run", m.Name)
			}
			var before unix.Rlimit
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			f.undoes(func(context.Context) error {
				if m.Pid() == pid {
					if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil && !errors.Is(err, unix.ESRCH) {
						return fmt.Errorf("%s: %w", m.Name, err)
					}
				}
				if slices.Contains(c.Block, m) {
					return m.Restart()
				}
				return m.Begin()
			})
			// Numbers from 3 on are refused, whatever is open.
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
		return nil
	}}
}

// kill ends the victims as kill -9 does; healing starts them again.
func kill(c *cluster.Cluster, name string, choose victim) Fault {
	return &fault{name: name, cluster: c, inject: func(ctx context.Context, f *fault) error {
		victims, err := choose(ctx)
		if err != nil {
			return err
		}
		for _, m := range victims {
			f.undoes(func(context.Context) error { return m.Begin() })
			m.Kill()
		}
		return nil
	}}
}

// freeze stops the victims' execution with SIGSTOP; healing lets them go on.
func freeze(c *cluster.Cluster, name string, choose victim) Fault {
	return &fault{name: name, cluster: c, inject: func(ctx context.Context, f *fault) error {
		victims, err := choose(ctx)
		if err != nil {
			return err
		}
		for _, m := range victims {
			f.undoes(func(context.Context) error {
				m.Thaw()
				return nil
			})
			m.Freeze()
		}
		return nil
	}}
}
