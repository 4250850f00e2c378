package faults

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/metaserver/api/admin"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// manyEntries is more than stays in the log of a cluster whose flag
// --trailing-logs is below it.
const manyEntries = 64

// TrailingLogs is the flag for MetaFlags with which a snapshot is soon installed.
const TrailingLogs = "--trailing-logs=16"

// group are the faults of section C of the fault list: what operators do to the
// group while it is in use.
func group(c *cluster.Cluster, r *rand.Rand) []Fault {
	all := []Fault{
		&fault{name: "transfer-leadership", cluster: c, inject: func(ctx context.Context, _ *fault) error {
			return transfer(ctx, c)
		}},
		&fault{name: "restart-one-by-one", cluster: c, inject: func(ctx context.Context, f *fault) error {
			return restartAll(ctx, c, f)
		}},
		replace(c, r),
	}
	if slices.ContainsFunc(c.MetaFlags(), func(flag string) bool { return strings.HasPrefix(flag, "--trailing-logs") }) {
		all = append(all, install(c, r))
	}
	return all
}

// transfer has the leader hand over; a group that has no leader just now is
// asked again.
func transfer(ctx context.Context, c *cluster.Cluster) error {
	lead, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	a := admin.NewClient(protocol.ID{})
	defer a.Close()
	err = a.Transfer(ctx, lead.Admin)
	switch protocol.KindOf(err) {
	case protocol.NotLeader, protocol.UnknownOutcome, protocol.Unavailable:
		// Leadership moved by itself, or may have.
		return nil
	}
	return err
}

// restartAll is a rolling restart, as for an upgrade.
func restartAll(ctx context.Context, c *cluster.Cluster, f *fault) error {
	for _, m := range c.Members() {
		f.undoes(func(context.Context) error { return m.Begin() })
		if err := m.Stop(); err != nil {
			return fmt.Errorf("%s did not end well: %w", m.Name, err)
		}
		if err := m.Start(); err != nil {
			return err
		}
		if err := c.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// replace takes a follower out of the group; healing has it join on an empty
// folder, as a new member.
func replace(c *cluster.Cluster, r *rand.Rand) Fault {
	return &fault{name: "replace-follower", cluster: c, inject: func(ctx context.Context, f *fault) error {
		lead, err := c.Leader(ctx)
		if err != nil {
			return err
		}
		victims, err := follower(c, r)(ctx)
		if err != nil {
			return err
		}
		m := victims[0]
		a := admin.NewClient(protocol.ID{})
		defer a.Close()
		hello, err := a.Hello(ctx, m.Admin)
		if err != nil {
			return err
		}
		f.undoes(func(context.Context) error { return m.Replace(lead.Admin) })
		return a.RemoveMember(ctx, lead.Admin, hello.Server)
	}}
}

// install lets a follower fall behind what is left of the leader's log; healing
// starts it, and it has to install a snapshot.
func install(c *cluster.Cluster, r *rand.Rand) Fault {
	return &fault{name: "install-snapshot", cluster: c, inject: func(ctx context.Context, f *fault) error {
		victims, err := follower(c, r)(ctx)
		if err != nil {
			return err
		}
		m := victims[0]
		f.undoes(func(context.Context) error { return m.Begin() })
		m.Kill()
		sdk, err := c.Client(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = sdk.Close() }()
		for i := range manyEntries {
			if _, err := sdk.Put(ctx, "faults", fmt.Sprint(i), bytes.NewReader(nil)); err != nil {
				return err
			}
		}
		lead, err := c.Leader(ctx)
		if err != nil {
			return err
		}
		a := admin.NewClient(protocol.ID{})
		defer a.Close()
		return a.Snapshot(ctx, lead.Admin)
	}}
}
