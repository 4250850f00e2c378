package store_test

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// filler stores blocks of random bytes, each of its own.
type filler struct {
	t     *testing.T
	store *store.Store
	size  int
	next  uint64
	held  []protocol.Hash
}

func fill(t *testing.T, cfg store.Config, size int) *filler {
	t.Helper()
	s, err := store.Open(cfg)
	if err == nil {
		err = s.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &filler{t: t, store: s, size: size}
}

// put stores one block more and returns the kind of its refusal, 0 for none.
func (f *filler) put(ordered bool) protocol.Kind {
	f.t.Helper()
	f.next++
	plain := storetest.Random(f.next, f.size)
	r := store.PutRequest{Hash: protocol.HashOf(plain), Version: version(1), Body: plain, PlainSize: -1, Ordered: ordered}
	_, err := f.store.Put(f.t.Context(), r)
	switch kind := protocol.KindOf(err); {
	case err == nil:
		f.held = append(f.held, r.Hash)
		return 0
	case kind == protocol.Full:
		return kind
	}
	f.t.Fatal(f.next, protocol.KindOf(f.store.Refuses(r.Hash)))
	return 0
}

// until puts until one is refused, and tells how many were not.
func (f *filler) until(ordered bool) (count int) {
	f.t.Helper()
	for f.put(ordered) == 0 {
		count++
	}
	return count
}

// free deletes n blocks, which works however full the disk is.
func (f *filler) free(n int) {
	f.t.Helper()
	for _, h := range f.held[:n] {
		if d, err := f.store.Delete(f.t.Context(), h, version(2)); err != nil || d.Kept {
			f.t.Fatalf("deleting on a full disk: %+v, %v", d, err)
		}
	}
	f.held = f.held[n:]
}

func (f *filler) full() bool { return f.store.Disks()[0].Full }

// TestMarks walks one disk up and down past its marks: clients are refused first,
// ordered copies later, both until below the low mark; what needs no room works.
func TestMarks(t *testing.T) {
	for _, limit := range []string{"file system", "capacity"} {
		t.Run(limit, func(t *testing.T) {
			dir := store.Dir{Path: "disk", FS: crashfs.New(crashfs.Config{Capacity: 1 << 20})}
			if limit == "capacity" {
				dir.FS, dir.Capacity = crashfs.New(crashfs.Config{Capacity: 1 << 30}), 1<<20
			}
			f := fill(t, store.Config{Dirs: []store.Dir{dir}, Marks: store.Marks{High: 80, Low: 50, Reserve: 20}}, 10_000)
			if n := f.until(false); n < 58 || n > 63 || !f.full() {
				t.Fatalf("%d blocks of a hundredth were taken below 60%%, full %v", n, f.full())
			}
			if kind := protocol.KindOf(f.store.Refuses(protocol.Hash{1})); kind != protocol.Full {
				t.Fatalf("a block to come is refused as %v", kind)
			}
			if n := f.until(true); n < 18 || n > 22 {
				t.Fatalf("%d more were taken on order", n)
			}
			h := f.held[len(f.held)-1]
			if _, err := f.store.Touch(t.Context(), h, version(9)); err != nil || f.store.Refuses(h) != nil {
				t.Fatalf("a touch on a full disk: %v, %v", err, f.store.Refuses(h))
			}
			f.free(25)
			if !f.full() || f.put(false) != protocol.Full {
				t.Fatal("a client's block was taken above the low mark")
			}
			f.free(12)
			if f.full() || f.put(false) != 0 || f.put(true) != 0 {
				t.Fatal("below the low mark the disk still is full")
			}
		})
	}
}

func TestMarksThatMakeNoSense(t *testing.T) {
	for _, m := range []store.Marks{{High: 101, Low: 1}, {High: 50, Low: 60}, {High: 50, Low: 49, Reserve: 2}, {High: 5, Reserve: 5}, {Low: 7}} {
		if err := m.Check(); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if err := store.DefaultMarks.Check(); err != nil {
		t.Error(err)
	}
}
