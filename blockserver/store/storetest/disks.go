package storetest

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func fullIsTyped(t *testing.T, b *Bed) {
	b.Disks[0].Capacity = 2000
	b.start()
	kept := Random(1, 1000)
	h := b.put(kept, 1, 1)
	_, err := b.Put(t.Context(), store.PutRequest{Hash: protocol.HashOf(Random(2, 1000)), Body: Random(2, 1000), PlainSize: -1})
	b.answers(protocol.Full, err)
	b.clean()
	// What is there can still be stored again, touched, read and deleted.
	b.put(kept, 2, 2)
	b.holds(h, kept, 2)
	_, err = b.Delete(t.Context(), h, at(3))
	b.answers(0, err)
	b.put(Random(2, 1000), 4, 4)
	if d := b.Store.Disks()[0]; d.Capacity != 2000 || d.Free >= 1000 || d.Failure != nil {
		t.Fatalf("state %+v", d)
	}
}

func sweepAtOpen(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 100)
	h := b.put(plain, 1, 1)
	b.stop()
	b.Store = nil
	b.answers(0, durable.Write(b.Disks[0].FS, "tmp/17", []byte("half a bl")))
	b.start()
	b.clean()
	b.holds(h, plain, 1)
}

func severalDisks(t *testing.T, b *Bed) {
	b.addDisk(0)
	b.Disks[0].Capacity, b.Disks[1].Capacity = 3000, 3000
	b.start()
	var blocks [][]byte
	for i := range 4 {
		blocks = append(blocks, Random(uint64(i), 1000))
		b.put(blocks[i], 1, 1)
	}
	for _, d := range b.Store.Disks() {
		if d.Blocks != 2 {
			t.Fatalf("disks %+v: free room does not decide", b.Store.Disks())
		}
	}
	for _, plain := range blocks {
		b.put(plain, 5, 5)
		b.holds(protocol.HashOf(plain), plain, 5)
	}
	identity := b.Identity()
	b.Disks[0], b.Disks[1] = b.Disks[1], b.Disks[0]
	b.addDisk(0)
	b.start()
	if b.Identity() != identity || len(b.Store.Disks()) != 3 {
		t.Fatalf("a disk was added: %+v", b.Store.Disks())
	}
	for _, plain := range blocks {
		b.holds(protocol.HashOf(plain), plain, 5)
		got, err := b.Delete(t.Context(), protocol.HashOf(plain), at(6))
		if err != nil || got.Kept {
			t.Fatalf("delete: %+v, %v", got, err)
		}
	}
	b.empty()
}

func unmountedIsNotEmpty(t *testing.T, b *Bed) {
	b.addDisk(0)
	b.start()
	b.put(Text(1, 100), 1, 1)
	lost := b.Store.Disks()[1].ID
	b.stop()
	refused := func(why string, cfg store.Config) {
		t.Helper()
		if s, err := store.Open(cfg); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Fatalf("%s: %v, %v", why, s, err)
		}
	}
	all := b.Disks
	fs, path := b.make(t)
	empty := store.Dir{Path: path, FS: fs}
	refused("a disk is missing", store.Config{Dirs: all[:1]})
	refused("an empty folder stands in for a disk", store.Config{Dirs: []store.Dir{all[0], empty}})
	refused("no folder", store.Config{})
	fs, path = b.make(t)
	b.answers(0, fs.Mkdir("photos"))
	refused("somebody else's folder", store.Config{Dirs: append(all[:2:2], store.Dir{Path: path, FS: fs})})
	if _, err := fs.Stat("data"); !durable.IsAbsent(err) {
		t.Fatalf("a refused folder was changed: %v", err)
	}
	fs, path = b.make(t)
	b.answers(0, fs.Mkdir("tmp"))
	b.answers(0, durable.Write(fs, "tmp/thesis.txt", []byte("draft")))
	refused("somebody else's tmp", store.Config{Dirs: append(all[:2:2], store.Dir{Path: path, FS: fs})})
	if _, err := fs.Stat("tmp/thesis.txt"); err != nil {
		t.Fatalf("a refused folder was swept: %v", err)
	}
	fs, path = b.make(t)
	other := &Bed{t: t, make: b.make, Disks: []store.Dir{{Path: path, FS: fs}}}
	other.start()
	other.stop()
	refused("another node's disk", store.Config{Dirs: append(all[:2:2], other.Disks[0])})
	b.edit(1, "data/ashlar-disk.json", func([]byte) []byte { return []byte("{}") })
	_, err := store.Open(store.Config{Dirs: all})
	b.answers(protocol.Unsupported, err)
	s, err := store.Open(store.Config{Dirs: all[:1], Forget: []protocol.ID{lost}})
	b.answers(0, err)
	b.answers(0, s.Close())
	b.Disks, b.Store = all[:1], nil
	b.start()
	b.answers(0, all[0].FS.Remove("data/ashlar-disk.json"))
	b.stop()
	refused("the marker is gone and blocks are there", store.Config{Dirs: all[:1]})
}

func oneOwner(t *testing.T, b *Bed) {
	b.start()
	if s, err := store.Open(store.Config{Dirs: b.Disks}); protocol.KindOf(err) != protocol.Disk {
		t.Fatalf("a second owner: %v, %v", s, err)
	}
	b.put(Text(1, 10), 1, 1)
	b.answers(0, b.Close())
	_, err := b.Put(t.Context(), store.PutRequest{Hash: protocol.HashOf(nil)})
	b.answers(protocol.Unavailable, err)
	b.answers(0, b.Close())
}
