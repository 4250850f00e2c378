package faults_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestDisks: disks that are full, that fail and that stall, under load.
func TestDisks(t *testing.T) {
	b := newBed(t, cluster.Config{Machines: true, Disks: smallDisks})
	defer b.load.check(b.ctx)

	b.under(t, "fill-disk-of-block-2", b.fullBlockserver)
	b.under(t, "fill-disk-of-meta-2", func(t *testing.T) { b.ends(t, b.Meta[1]) })
	b.under(t, "fail-syncs-of-leader", func(t *testing.T) { b.ends(t, b.tracedOne(t)) })
	b.under(t, "fail-syncs-of-follower", func(t *testing.T) { b.ends(t, b.tracedOne(t)) })
	b.under(t, "fail-syncs-of-blockserver", func(t *testing.T) { b.failingBlockserver(t, b.tracedOne(t)) })
	b.under(t, "stall-syncs-of-leader", func(t *testing.T) {
		stalled := b.tracedOne(t)
		await(t, b.ctx, "another leader", func() bool {
			lead, err := b.Leader(b.ctx)
			return err == nil && lead != stalled
		})
		b.works(t)
	})
	b.under(t, "stall-syncs-of-follower", func(t *testing.T) {
		b.lasts(t, electionTimeouts)
		b.unharmed(t)
	})
}

// ends waits until a metaserver whose disk failed has ended by itself, and for
// the others to go on.
func (b *bed) ends(t *testing.T, m *cluster.Member) {
	await(t, b.ctx, m.Name+" to end", func() bool { return !m.Running() })
	b.works(t)
}

// tracedOne is the member whose system calls are being answered by strace.
func (b *bed) tracedOne(t *testing.T) *cluster.Member {
	t.Helper()
	for _, m := range b.Members() {
		if m.Running() && tracer(t, m) != "0" {
			return m
		}
	}
	t.Fatal("no member is traced, and none that was still runs")
	return nil
}

// fullBlockserver: what the full node is asked to store is refused as such, what
// it has is still read and deleted, and no temporary file stays.
func (b *bed) fullBlockserver(t *testing.T) {
	m := b.Block[1]
	// What is written just now fills the last page.
	await(t, b.ctx, "the node to be full", func() bool { return store(t, b, m, random(10_000)) == http.StatusInsufficientStorage })
	b.works(t)
	name, content := "kept", random(10_000)
	object, err := b.load.sdk.Put(b.ctx, "one", name, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(b.ctx, b.load.sdk, "one", name); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
	if err := b.load.sdk.Delete(b.ctx, "one", name, client.IfVersion(object.Version)); err != nil {
		t.Error(err)
	}
	await(t, b.ctx, "no temporary file to be left", func() bool { return len(temporary(t, m)) == 0 })
}

// failingBlockserver: a node whose syncs fail acknowledges nothing, and the load
// goes on with the others.
func (b *bed) failingBlockserver(t *testing.T, m *cluster.Member) {
	if status := store(t, b, m, random(10_000)); status < 500 {
		t.Errorf("%s answers a store that it cannot sync with %d", m.Name, status)
	}
	b.works(t)
	await(t, b.ctx, "no temporary file to be left", func() bool { return len(temporary(t, m)) == 0 })
}

// store puts a block by hand at one node and returns the status.
func store(t *testing.T, b *bed, m *cluster.Member, content []byte) int {
	t.Helper()
	url := "http://" + m.Address + "/v1/blocks/" + protocol.HashOf(content).String()
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPut, url, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// temporary lists what a store in progress, or one that broke off, has left.
func temporary(t *testing.T, m *cluster.Member) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(m.Data, "tmp", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
