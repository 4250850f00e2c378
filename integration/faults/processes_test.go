package faults_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// electionTimeouts is longer than several election timeouts of the defaults.
const electionTimeouts = 4 * time.Second

// TestProcesses: members that die or stand still, under load.
func TestProcesses(t *testing.T) {
	b := newBed(t, cluster.Config{})
	defer b.load.check(b.ctx)

	b.under(t, "kill-leader", b.works)
	b.under(t, "kill-all-metaservers", nil)
	b.under(t, "kill-blockserver", b.unharmed)
	b.under(t, "freeze-blockserver", b.works)
	b.under(t, "kill-follower", b.unharmed)
	b.under(t, "exhaust-files-of-blockserver", func(t *testing.T) { b.livesOn(t, b.works) })
	b.under(t, "exhaust-files-of-follower", b.works)
	b.under(t, "exhaust-files-of-leader", b.works)

	t.Run("the leader stays", func(t *testing.T) {
		lead, term := b.leader(t), b.term(t)
		b.under(t, "freeze-follower", func(t *testing.T) {
			b.lasts(t, electionTimeouts)
			b.unharmed(t)
		})
		if now, in := b.leader(t), b.term(t); now != lead || in != term {
			t.Errorf("%s led in term %d, %s does in term %d: a follower that stood still must not disturb", lead.Name, term, now.Name, in)
		}
	})
	t.Run("no stale read", func(t *testing.T) { b.frozenLeader(t) })
}

// livesOn wants the blockservers that there are to be the same processes afterwards.
func (b *bed) livesOn(t *testing.T, check func(*testing.T)) {
	t.Helper()
	pids := func() (out []int) {
		for _, m := range b.Block {
			out = append(out, m.Pid())
		}
		return out
	}
	before := pids()
	b.lasts(t, electionTimeouts)
	check(t)
	if after := pids(); !slices.Equal(before, after) {
		t.Errorf("processes %v have become %v", before, after)
	}
}

// unharmed waits for some writes, none of which may fail.
func (b *bed) unharmed(t *testing.T) {
	t.Helper()
	before := b.load.failures.Load()
	b.works(t)
	if n := b.load.failures.Load() - before; n > 0 {
		t.Errorf("%d operations failed, and none had to", n)
	}
}

// frozenLeader freezes the leader with linearizable reads on their way to it, has
// its successor acknowledge a newer value, and lets it go on: none of the reads
// may answer with the older one.
func (b *bed) frozenLeader(t *testing.T) {
	const reads = 8
	put := func(value string) {
		if _, err := b.load.sdk.Put(b.ctx, "one", "object", bytes.NewReader([]byte(value))); err != nil {
			t.Fatal(err)
		}
	}
	put("old")
	old := b.leader(t)
	type answer struct {
		is  *pb.LookupAnswer
		err error
	}
	answers := make(chan answer, reads)
	b.under(t, "freeze-leader", func(t *testing.T) {
		for range reads {
			go func() {
				a, err := b.lookupWithin(old, time.Minute, "one", "object")
				answers <- answer{a, err}
			}()
		}
		put("new")
	})
	for range reads {
		if a := <-answers; a.err == nil && string(a.is.GetInline()) != "new" {
			t.Errorf("a linearizable read of a deposed leader answered %q", a.is.GetInline())
		} else {
			t.Logf("the read that waited: %q, error %v", a.is.GetInline(), a.err)
		}
	}
}
