package faults_test

import (
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/faults"
	"github.com/seed-7d21a5b5/ashlar/integration/proxy"
)

// TestHalfASecond: with half a second each way the defaults elect without end;
// with timeouts to match, the cluster works. ASHLAR_LONG=1 asks for it.
func TestHalfASecond(t *testing.T) {
	if !long() {
		t.Skip("ASHLAR_LONG=1 asks for it")
	}
	b := newBed(t, cluster.Config{Proxied: true, MetaFlags: []string{"--heartbeat-timeout=5s"}})
	defer b.load.check(b.ctx)
	term := b.term(t)
	each := func(how func(*proxy.Proxy)) {
		for _, m := range b.Members() {
			for _, p := range m.Proxies {
				how(p)
			}
		}
	}
	each(func(p *proxy.Proxy) { p.Delay(500*time.Millisecond, 50*time.Millisecond) })
	b.lasts(t, 30*time.Second)
	b.works(t)
	each((*proxy.Proxy).Heal)
	if now := b.term(t); now != term {
		t.Errorf("the term went from %d to %d", term, now)
	}
}

// TestSnapshotOverASlowLink: a follower that has to install a snapshot over
// 1 Mbit/s takes neither leadership nor writes from the others. ASHLAR_LONG=1
// asks for it.
func TestSnapshotOverASlowLink(t *testing.T) {
	if !long() {
		t.Skip("ASHLAR_LONG=1 asks for it")
	}
	b := newBed(t, cluster.Config{Machines: true, MetaFlags: []string{faults.TrailingLogs}})
	defer b.load.check(b.ctx)
	for _, f := range b.faults {
		if f.Name() != "install-snapshot" {
			continue
		}
		if err := f.Inject(b.ctx); err != nil {
			t.Fatal(err)
		}
		lead := b.leader(t)
		// Only what goes to the follower is slow enough to matter: the others' share
		// of the leader's link is small.
		if err := b.Network.Slow(lead.Machine, 1_000_000); err != nil {
			t.Fatal(err)
		}
		for _, m := range b.Meta {
			if !m.Running() {
				if err := m.Start(); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.lasts(t, 20*time.Second)
		b.unharmed(t)
		if now := b.leader(t); now != lead {
			t.Errorf("%s led, %s does", lead.Name, now.Name)
		}
		if err := b.Network.Heal(); err != nil {
			t.Fatal(err)
		}
		b.settle(t)
	}
}
