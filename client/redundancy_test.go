package client_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// copying is a change of how many copies a bucket's objects have.
func copying(n int) client.BucketChange { return client.BucketChange{Redundancy: &n} }

func (w *world) set(c *client.Client, change client.BucketChange) client.Bucket {
	w.t.Helper()
	b, err := c.SetBucket(w.t.Context(), w.bucket, change)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// stand counts the copies of each block of content, cut into blocks of size bytes.
func (w *world) stand(content []byte, size int) (copies []int) {
	w.t.Helper()
	for block := range slices.Chunk(content, size) {
		s, err := w.c.StatBlock(w.t.Context(), protocol.HashOf(block))
		if err != nil {
			w.t.Fatal(err)
		}
		copies = append(copies, len(s.Copies))
	}
	return copies
}

// stands waits until each block of content has n copies.
func (w *world) stands(what string, content []byte, size, n int) {
	w.t.Helper()
	eventually(w.t, what, func() bool {
		return !slices.ContainsFunc(w.stand(content, size), func(copies int) bool { return copies != n })
	})
}

// testRedundancy: a bucket's blocks have as many copies as it asks for, whatever
// this client believed before.
func testRedundancy(t *testing.T, w *world) {
	ctx := t.Context()
	other := w.Open(client.Config{})
	b := w.set(other, copying(1))
	if b.Redundancy != 1 || b.TrashKeep != 0 || b.Version.IsZero() {
		t.Fatal(b)
	}
	if got, err := w.c.Bucket(ctx, w.bucket); err != nil || got != b {
		t.Fatal(got, b, err)
	}
	single := noise(w.rng, 3<<20)
	w.put(w.bucket, "single", single)
	if got := w.stand(single, 1<<20); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("with one copy asked for there are %v", got)
	}
	if o, err := w.c.Stat(ctx, w.bucket, "single"); err != nil || o.Redundancy != 1 {
		t.Errorf("%+v, %v", o, err)
	}

	w.set(other, copying(0))
	tripled := noise(w.rng, 2<<20)
	w.put(w.bucket, "tripled", tripled)
	w.stands("three copies of what is put now", tripled, 1<<20, 3)
	if got := w.stand(single, 1<<20); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("what was put before has %v", got)
	}
	if o, err := w.c.Stat(ctx, w.bucket, "tripled"); err != nil || o.Redundancy != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	w.put(w.bucket, "again", single)
	w.stands("three copies of what is shared with one that asks for them", single, 1<<20, 3)
	if s, err := w.c.StatBlock(ctx, protocol.HashOf(single[:1<<20])); err != nil || s.Redundancy != 3 || !slices.Equal(s.ReferencesByRedundancy[:2], []uint64{1, 1}) {
		t.Errorf("%+v, %v", s, err)
	}
	w.get(w.bucket, "single", single)
	w.get(w.bucket, "tripled", tripled)
	if b := w.set(w.c, copying(5)); b.Redundancy != 5 {
		t.Error(b)
	}
	w.put(w.bucket, "five", single[:1<<20])
	w.stands("as many copies as there are nodes", single[:1<<20], 1<<20, 3)
	for _, change := range []client.BucketChange{{}, copying(-1), copying(6)} {
		if _, err := w.c.SetBucket(ctx, w.bucket, change); !errors.Is(err, client.ErrInvalidArgument) {
			t.Errorf("%+v: %v", change, err)
		}
	}
	w.set(w.c, copying(0))
}

// testRedundancyChanges: between the blocks of one put its bucket asks for more, or
// for less than its upload was begun with. What was stored by the old numbers is
// refused and mended.
func testRedundancyChanges(t *testing.T, w *world) {
	other := w.Open(client.Config{})
	w.set(other, copying(1))
	content := noise(w.rng, 3<<20)
	sent := w.c.Stats().BlocksSent
	more := &gate{parts: [][]byte{bytes.Clone(content[:2<<20+1]), bytes.Clone(content[2<<20+1:])}, before: func(int) {
		eventually(t, "two blocks are stored", func() bool { return w.c.Stats().BlocksSent == sent+2 })
		w.set(other, copying(3))
	}}
	if _, err := w.c.Put(t.Context(), w.bucket, "more", more); err != nil {
		t.Fatal(err)
	}
	w.stands("three copies of all blocks", content, 1<<20, 3)
	w.get(w.bucket, "more", content)

	const size, page = client.MinBlockSize, protocol.MaxBlocksPerPage
	few := noise(w.rng, 20*size)
	begun := bytes.Repeat(few, page/20+1)
	tail := noise(w.rng, 10*size)
	less := &gate{parts: [][]byte{bytes.Clone(begun), bytes.Clone(tail)}, before: func(int) {
		eventually(t, "the upload is begun", func() bool { return w.counters().GetUploads() == 1 })
		w.set(other, copying(1))
	}}
	if _, err := w.c.Put(t.Context(), w.bucket, "less", less, client.WithBlockSize(size)); err != nil {
		t.Fatal(err)
	}
	w.stands("three copies of what was begun before", append(bytes.Clone(few), tail...), size, 3)
	w.get(w.bucket, "less", append(begun, tail...))
	if o, err := w.c.Stat(t.Context(), w.bucket, "less"); err != nil || o.Redundancy != 3 {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestRedundancyWithoutNodes: one copy is stored while a single node is left.
func TestRedundancyWithoutNodes(t *testing.T) {
	w := newWorld(t)
	w.set(w.c, copying(1))
	for i := range 2 {
		if err := w.KillBlockserver(i); err != nil {
			t.Fatal(err)
		}
	}
	content := noise(w.rng, 100_000)
	w.put(w.bucket, "single", content)
	w.get(w.bucket, "single", content)
	if got := w.stand(content, len(content)); !slices.Equal(got, []int{1}) {
		t.Errorf("%v copies", got)
	}
}

// testRenew: what is there asks for what its bucket says by now, and is the same
// object but for that: blocks that have too few copies for it get more, whether the
// object is a page of blocks or several.
func testRenew(t *testing.T, w *world) {
	ctx := t.Context()
	w.set(w.c, copying(1))
	// Many blocks, of which few are different.
	const small = 4 << 10
	contents := map[string][]byte{"page": noise(w.rng, 3<<20), "pages": bytes.Repeat(noise(w.rng, 50*small), 21), "inline": noise(w.rng, 100)}
	before := map[string]client.Object{}
	for name, content := range contents {
		size := 1 << 20
		if name == "pages" {
			size = small
		}
		o, err := w.c.Put(ctx, w.bucket, name, bytes.NewReader(content), client.WithBlockSize(size), client.WithContentType("text/plain"), client.WithUserMetadata(map[string]string{"k": "v"}))
		if err != nil {
			t.Fatal(err)
		}
		before[name] = o
	}
	w.set(w.c, copying(3))
	for name, content := range contents {
		o, err := w.c.Renew(ctx, w.bucket, name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := w.c.Stat(ctx, w.bucket, name)
		if err != nil || got.Version != o.Version || got.Digest != before[name].Digest || got.ContentType != "text/plain" || got.UserMetadata["k"] != "v" {
			t.Errorf("%s became %+v, %v", name, got, err)
		}
		if inline := name == "inline"; inline != (got.Version == before[name].Version) || !inline && got.Redundancy != 3 {
			t.Errorf("%s became %+v", name, got)
		}
		w.get(w.bucket, name, content)
		again, err := w.c.Renew(ctx, w.bucket, name)
		if err != nil || again.Version != got.Version {
			t.Errorf("%s is renewed twice: %+v, %v", name, again, err)
		}
	}
	w.stands("three copies of what had one", contents["page"], 1<<20, 3)
	if _, err := w.c.Renew(ctx, w.bucket, "nothing"); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
	w.set(w.c, copying(1))
	if _, err := w.c.Renew(ctx, w.bucket, "page"); err != nil {
		t.Fatal(err)
	}
	w.stands("one copy of what had three", contents["page"], 1<<20, 1)
	w.get(w.bucket, "page", contents["page"])
	w.set(w.c, copying(0))
}

// testRenewOvertaken: an object that is replaced or deleted while it is renewed is
// left to who did that, wherever the renewal was, and whatever is left of its blocks.
func testRenewOvertaken(t *testing.T, w *world) {
	ctx := t.Context()
	const small = client.MinBlockSize
	for _, tc := range []struct {
		name    string
		blocks  int
		happens func(name string, content []byte)
	}{
		{"page-replaced", 10, func(name string, _ []byte) { w.put(w.bucket, name, []byte("new")) }},
		{"pages-replaced", protocol.MaxBlocksPerPage + 50, func(name string, _ []byte) { w.put(w.bucket, name, []byte("new")) }},
		{"pages-deleted", protocol.MaxBlocksPerPage + 50, func(name string, _ []byte) {
			if err := w.c.Delete(ctx, w.bucket, name); err != nil {
				t.Fatal(err)
			}
		}},
		{"blocks-gone", protocol.MaxBlocksPerPage + 50, func(name string, content []byte) {
			w.put(w.bucket, name, []byte("new"))
			for i := range 3 {
				// As reclamation will do, in time.
				if err := os.Remove(w.file(i, protocol.HashOf(content[:small]))); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
		}},
	} {
		w.set(w.c, copying(1))
		few := noise(w.rng, 10*small)
		content := bytes.Repeat(few, tc.blocks/10)
		if _, err := w.c.Put(ctx, w.bucket, tc.name, bytes.NewReader(content), client.WithBlockSize(small)); err != nil {
			t.Fatal(err)
		}
		w.set(w.c, copying(3))
		_, err := w.c.RenewAround(ctx, w.bucket, tc.name, 3, func() { tc.happens(tc.name, content) })
		if !errors.Is(err, client.ErrPreconditionFailed) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := w.counters().GetUploads(); got != 0 {
			t.Errorf("%s: %d uploads are left", tc.name, got)
		}
	}
	w.set(w.c, copying(0))
}
