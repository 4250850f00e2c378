package faults_test

import (
	"bytes"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/integration/proxy"
)

// TestLinks: links that are slow, that lose answers and that repeat requests.
func TestLinks(t *testing.T) {
	b := newBed(t, cluster.Config{Proxied: true})
	defer b.load.check(b.ctx)

	b.under(t, "delay-everything", b.works)
	b.under(t, "reset-connections", b.works)
	b.under(t, "lose-answers", func(t *testing.T) {
		before := b.sum((*proxy.Proxy).Lost)
		await(t, b.ctx, "answers to be lost", func() bool { return b.sum((*proxy.Proxy).Lost) > before+10 })
		b.once(t)
	})
	b.under(t, "send-requests-twice", func(t *testing.T) {
		before := b.sum((*proxy.Proxy).Doubled)
		await(t, b.ctx, "requests to be doubled", func() bool { return b.sum((*proxy.Proxy).Doubled) > before+10 })
		b.once(t)
	})
	t.Run("late requests", b.late)
}

func (b *bed) sum(of func(*proxy.Proxy) int64) (n int64) {
	for _, m := range b.Members() {
		for _, p := range m.Proxies {
			n += of(p)
		}
	}
	return n
}

// once makes changes that succeed only if they are carried out once: a second
// creation, or a second deletion of what is there again, would be seen.
func (b *bed) once(t *testing.T) {
	t.Helper()
	for i := range 10 {
		created, err := b.load.sdk.Put(b.ctx, "once", "object", bytes.NewReader([]byte{byte(i)}), client.IfAbsent())
		if err != nil {
			t.Fatalf("round %d, create: %v", i, err)
		}
		replaced, err := b.load.sdk.Put(b.ctx, "once", "object", bytes.NewReader([]byte{byte(i), 1}), client.IfVersion(created.Version))
		if err != nil {
			t.Fatalf("round %d, replace: %v", i, err)
		}
		if err := b.load.sdk.Delete(b.ctx, "once", "object", client.IfVersion(replaced.Version)); err != nil {
			t.Fatalf("round %d, delete: %v", i, err)
		}
	}
}

// late has the network deliver old requests again after newer ones: they are
// refused or answered as they were, and change nothing.
func (b *bed) late(t *testing.T) {
	sdk := b.client(t)
	front := b.leader(t).Proxies[0]
	put := func(name, value string) client.Object {
		o, err := sdk.Put(b.ctx, "late", name, bytes.NewReader([]byte(value)))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	put("other", "opens the session")
	front.Keep(1000)
	put("object", "old")
	await(t, b.ctx, "a request to be remembered", func() bool { return front.Kept() > 0 })
	if err := sdk.Delete(b.ctx, "late", "object"); err != nil {
		t.Fatal(err)
	}
	newest := put("object", "new")
	answers, err := front.Replay()
	if err != nil || len(answers) == 0 {
		t.Fatalf("%d requests were delivered again: %v", len(answers), err)
	}
	now, err := sdk.Stat(b.ctx, "late", "object")
	if err != nil || now.Version != newest.Version {
		t.Errorf("after %d late requests the object is at %v (error %v), want %v", len(answers), now, err, newest.Version)
	}
	t.Logf("%d late requests changed nothing", len(answers))
}
