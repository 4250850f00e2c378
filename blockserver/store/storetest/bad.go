package storetest

import (
	"bytes"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// damages are what a disk does to a file of random bytes.
var damages = map[string]func([]byte) []byte{
	"flip in the content":  func(f []byte) []byte { f[len(f)/2] ^= 4; return f },
	"flip in the checksum": func(f []byte) []byte { f[len(f)-1] ^= 1; return f },
	"flip in the header":   func(f []byte) []byte { f[60] ^= 1; return f },
	"flip in the magic":    func(f []byte) []byte { f[1] ^= 1; return f },
	"both slots lost":      func(f []byte) []byte { clear(f[16:48]); return f },
	"cut":                  func(f []byte) []byte { return f[:len(f)-1] },
	"cut in the header":    func(f []byte) []byte { return f[:20] },
	"empty":                func([]byte) []byte { return nil },
	"zeros":                func(f []byte) []byte { clear(f); return f },
	"longer":               func(f []byte) []byte { return append(f, 0) },
	"longer by a frame":    func(f []byte) []byte { return append(f, 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0) },
	"other plain size":     func(f []byte) []byte { f[51]++; return f },
}

func badIsAbsentFirst(t *testing.T, b *Bed) {
	b.start()
	counter := uint64(1)
	for what, damage := range damages {
		plain := Random(counter, 300)
		counter += 10
		h := b.put(plain, counter, counter)
		b.start()
		b.edit(0, name(h), damage)
		_, err := b.Touch(t.Context(), h, at(counter))
		if protocol.KindOf(err) != protocol.Quarantined {
			t.Fatalf("%s: touch: %v", what, err)
		}
		b.setAside(h)
		// What replaces it is never below it, however old the version that is asked for.
		c, err := b.Put(t.Context(), store.PutRequest{Hash: h, Version: at(1), Body: plain, PlainSize: -1})
		if err != nil || c.Version.Less(at(counter)) {
			t.Fatalf("%s: put: %+v, %v", what, c, err)
		}
		b.holds(h, plain, c.Version.Counter)
		_, err = b.Delete(t.Context(), h, at(counter+5))
		b.answers(0, err)
		_, err = b.Get(t.Context(), h)
		b.answers(protocol.NotFound, err)
	}
	b.clean()
	if items, _, _, err := b.List(t.Context(), protocol.Hash{}, 10); err != nil || len(items) > 0 {
		t.Fatalf("list: %v, %v", items, err)
	}
}

// setAside expects h to be in quarantine and nowhere else.
func (b *Bed) setAside(h protocol.Hash) {
	b.t.Helper()
	_, err := b.Get(b.t.Context(), h)
	b.answers(protocol.Quarantined, err)
	_, err = b.Verify(b.t.Context(), h)
	b.answers(protocol.Quarantined, err)
	if _, err := b.Disks[0].FS.Stat(name(h)); !durable.IsAbsent(err) {
		b.t.Fatalf("the bad file is still there: %v", err)
	}
	entries, err := b.Disks[0].FS.ReadDir("quarantine")
	found := 0
	for _, e := range entries {
		if bytes.HasPrefix([]byte(e.Name), []byte(h.String())) {
			found++
		}
	}
	if err != nil || found != 1 {
		b.t.Fatalf("quarantine holds %v, %v", entries, err)
	}
}

func getNeverServesBad(t *testing.T, b *Bed) {
	b.start()
	seed := uint64(100)
	for what, damage := range damages {
		if what == "longer" || what == "longer by a frame" {
			// What follows the frames is not served; it is found by the next verify.
			continue
		}
		seed++
		plain := Random(seed, 300)
		h := b.put(plain, seed, seed)
		b.edit(0, name(h), damage)
		blk, err := b.Get(t.Context(), h)
		if err == nil {
			_, err = blk.Plain(nil)
			_ = blk.Close()
		}
		if protocol.KindOf(err) != protocol.Quarantined {
			t.Fatalf("%s: get: %v", what, err)
		}
		b.setAside(h)
	}
	// A good file under another's name.
	one, two := Random(1, 50), Random(2, 50)
	h1, h2 := b.put(one, 1, 1), b.put(two, 2, 2)
	content, err := durable.Read(b.Disks[0].FS, name(h2), 1<<20)
	b.answers(0, err)
	b.edit(0, name(h1), func([]byte) []byte { return content })
	blk, err := b.Get(t.Context(), h1)
	b.answers(0, err)
	defer blk.Close()
	_, err = blk.Plain(nil)
	b.answers(protocol.Quarantined, err)
	b.holds(h2, two, 2)
}

func quarantineByHand(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 500)
	h := b.put(plain, 5, 5)
	b.answers(0, b.Quarantine(h))
	b.setAside(h)
	b.answers(protocol.Quarantined, b.Quarantine(h))
	b.answers(protocol.NotFound, b.Quarantine(protocol.HashOf(nil)))
	b.start()
	b.setAside(h)
	if d := b.Store.Disks()[0]; d.Quarantined != 1 || d.Blocks != 0 {
		t.Fatalf("%d quarantined, %d blocks", d.Quarantined, d.Blocks)
	}
	_, err := b.Delete(t.Context(), h, at(5))
	b.answers(0, err)
	b.setAside(h)
	_, err = b.Delete(t.Context(), h, at(6))
	b.answers(0, err)
	_, err = b.Get(t.Context(), h)
	b.answers(protocol.NotFound, err)
	b.start()
	b.empty()
}

func foreignFilesStay(t *testing.T, b *Bed) {
	b.start()
	plain := Text(1, 500)
	h := b.put(plain, 5, 5)
	strays := []string{name(h)[:len(name(h))-64] + "note.txt", "quarantine/what", "data/readme"}
	for _, stray := range strays {
		b.answers(0, durable.Write(b.Disks[0].FS, stray, []byte("mine")))
	}
	b.start()
	items, _, more, err := b.List(t.Context(), protocol.Hash{}, 10)
	if err != nil || more || len(items) != 1 || items[0].Hash != h {
		t.Fatalf("list: %v, %v, %v", items, more, err)
	}
	for _, stray := range strays {
		if _, err := b.Disks[0].FS.Stat(stray); err != nil {
			t.Fatalf("%s: %v", stray, err)
		}
	}
}
