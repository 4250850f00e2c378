package faults_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/machines"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestNetwork: links that carry nothing, or in one direction only, or only at
// times, under load.
func TestNetwork(t *testing.T) {
	b := newBed(t, cluster.Config{Machines: true})
	defer b.load.check(b.ctx)

	for name, cut := range map[string]func(m *machines.Machine, but ...*machines.Machine) error{
		"isolated": b.Network.Isolate, "deaf": b.Network.Deafen, "mute": b.Network.Mute,
	} {
		t.Run("the leader is "+name, func(t *testing.T) { b.deposed(t, cut) })
	}
	t.Run("a stable leader", func(t *testing.T) {
		lead, term := b.leader(t), b.term(t)
		b.under(t, "part-leader-from-follower", func(t *testing.T) {
			b.lasts(t, electionTimeouts)
			b.works(t)
		})
		if now, in := b.leader(t), b.term(t); now != lead || in != term {
			t.Errorf("%s led in term %d, %s does in term %d, though a majority heard the leader all the time", lead.Name, term, now.Name, in)
		}
	})
	t.Run("the majority is lost", b.minority)
	t.Run("metaservers out of reach", b.noMetaservers)
	t.Run("blockservers out of reach", b.noBlockservers)
	t.Run("nothing grows", func(t *testing.T) {
		before, goroutines := b.descriptors(t), b.goroutines(t)
		b.under(t, "flap-leader", func(t *testing.T) { b.lasts(t, electionTimeouts) })
		b.under(t, "lose-packets", b.works)
		await(t, b.ctx, "the members to close what they opened", func() bool { return b.descriptors(t) < 2*before+100 })
		await(t, b.ctx, "the metaservers to end what they began", func() bool { return b.goroutines(t) < 2*goroutines+300 })
	})
}

// deposed takes the leader's links to all members, not to the test: it must stop
// answering linearizable reads, while the others go on without it.
func (b *bed) deposed(t *testing.T, cut func(m *machines.Machine, but ...*machines.Machine) error) {
	term, old := b.term(t), b.leader(t)
	if err := cut(old.Machine, b.Network.Here()); err != nil {
		t.Fatal(err)
	}
	var next *cluster.Member
	await(t, b.ctx, "another leader", func() bool {
		var err error
		next, err = b.Leader(b.ctx)
		return err == nil && next != old
	})
	b.works(t)
	put := func(value string) {
		if _, err := b.load.sdk.Put(b.ctx, "one", "object", bytes.NewReader([]byte(value))); err != nil {
			t.Fatal(err)
		}
	}
	put("old")
	put("new")
	if a, err := b.lookup(old, "one", "object"); err == nil {
		t.Errorf("%s answers a linearizable read with %q, and %s leads", old.Name, a.GetInline(), next.Name)
	}
	if err := b.Network.Heal(); err != nil {
		t.Fatal(err)
	}
	b.settle(t)
	if now := b.term(t); now > term+10 {
		t.Errorf("one cut has taken the term from %d to %d", term, now)
	}
}

// settle waits until the network is whole again for everybody.
func (b *bed) settle(t *testing.T) {
	t.Helper()
	if err := b.WaitReady(b.ctx); err != nil {
		t.Fatal(err)
	}
	b.works(t)
	b.agree(t)
}

// minority parts all metaservers: writes end before their deadline with an error
// that does not claim that they failed, linearizable reads do not answer, and
// stale ones do.
func (b *bed) minority(t *testing.T) {
	if _, err := b.load.sdk.Put(b.ctx, "one", "object", bytes.NewReader([]byte("value"))); err != nil {
		t.Fatal(err)
	}
	lead := b.leader(t)
	for _, m := range b.Meta {
		if err := b.Network.Isolate(m.Machine, b.Network.Here()); err != nil {
			t.Fatal(err)
		}
	}
	await(t, b.ctx, "the leader to step down", func() bool {
		_, err := b.lookup(lead, "one", "object")
		return err != nil
	})
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	began := time.Now()
	_, err := b.load.sdk.Put(ctx, "one", "other", bytes.NewReader([]byte("value")))
	switch kind := protocol.KindOf(err); kind {
	case protocol.Unavailable, protocol.UnknownOutcome, protocol.Canceled:
		t.Logf("a write ended after %v with %v", time.Since(began).Round(time.Millisecond), err)
	default:
		t.Errorf("a write without a majority ends with %v", err)
	}
	r, err := b.load.sdk.Get(b.ctx, "one", "object", client.WithLevel(client.Stale))
	if err != nil {
		t.Errorf("a stale read without a majority: %v", err)
	} else {
		_ = r.Close()
	}
	if err := b.Network.Heal(); err != nil {
		t.Fatal(err)
	}
	b.settle(t)
}

// noMetaservers cuts the client off from the metaservers only: what it cannot
// commit is not there afterwards, and it is told so in a class of its own.
func (b *bed) noMetaservers(t *testing.T) {
	sdk := b.client(t)
	for _, m := range b.Meta {
		if err := b.Network.Part(b.Network.Here(), m.Machine); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	_, err := sdk.Put(ctx, "one", "uncommitted", bytes.NewReader(make([]byte, 10_000)))
	switch protocol.KindOf(err) {
	case protocol.Unavailable, protocol.UnknownOutcome, protocol.Canceled:
	default:
		t.Errorf("a put without metaservers ends with %v", err)
	}
	if err := b.Network.Heal(); err != nil {
		t.Fatal(err)
	}
	b.settle(t)
}

// noBlockservers is the reverse: what needs blocks fails in a class of its own,
// what does not goes on.
func (b *bed) noBlockservers(t *testing.T) {
	sdk := b.client(t)
	for _, m := range b.Block {
		if err := b.Network.Part(b.Network.Here(), m.Machine); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sdk.Put(b.ctx, "one", "inline", bytes.NewReader([]byte("value"))); err != nil {
		t.Errorf("an inline put without blockservers: %v", err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	_, err := sdk.Put(ctx, "one", "block", bytes.NewReader(make([]byte, 10_000)))
	switch protocol.KindOf(err) {
	case protocol.Unavailable, protocol.Canceled:
	default:
		t.Errorf("a put without blockservers ends with %v", err)
	}
	if err := b.Network.Heal(); err != nil {
		t.Fatal(err)
	}
	if _, err := sdk.Stat(b.ctx, "one", "block"); protocol.KindOf(err) != protocol.NotFound {
		t.Errorf("a put that failed left an object: %v", err)
	}
	b.settle(t)
}
