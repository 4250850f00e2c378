package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// twin is the store as anybody would write it who had no disks: the rules of
// reclamation.md on a map.
type twin struct {
	present, aside map[protocol.Hash]protocol.Version
}

func (w *twin) put(h protocol.Hash, v protocol.Version) protocol.Version {
	if u, found := w.present[h]; found {
		v = v.Max(u)
	}
	v = v.Max(w.aside[h])
	w.present[h] = v
	return v
}

func (w *twin) touch(h protocol.Hash, v protocol.Version) (protocol.Version, protocol.Kind) {
	if u, found := w.present[h]; found {
		w.present[h] = u.Max(v)
		return w.present[h], 0
	}
	return protocol.Version{}, w.gone(h)
}

func (w *twin) gone(h protocol.Hash) protocol.Kind {
	if _, found := w.aside[h]; found {
		return protocol.Quarantined
	}
	return protocol.NotFound
}

func (w *twin) delete(h protocol.Hash, below protocol.Version) store.Deleted {
	if w.aside[h].Less(below) {
		delete(w.aside, h)
	}
	u, found := w.present[h]
	if found && !u.Less(below) {
		return store.Deleted{Kept: true, Version: u}
	}
	delete(w.present, h)
	return store.Deleted{}
}

func (w *twin) quarantine(h protocol.Hash) protocol.Kind {
	u, found := w.present[h]
	if !found {
		return w.gone(h)
	}
	w.aside[h] = u.Max(w.aside[h])
	delete(w.present, h)
	return 0
}

// TestTwin runs random verbs on a store with three disks and on the twin, and
// expects the same answers, also across restarts and power cuts between verbs.
func TestTwin(t *testing.T) {
	for seed := range uint64(12) {
		luck := rand.New(rand.NewPCG(seed, 1))
		disks := []*crashfs.FS{crashfs.New(crashfs.Config{}), crashfs.New(crashfs.Config{}), crashfs.New(crashfs.Config{})}
		open := func() *store.Store {
			var dirs []store.Dir
			for i, d := range disks {
				dirs = append(dirs, store.Dir{Path: fmt.Sprintf("disk%d", i), FS: d})
			}
			s, err := store.Open(store.Config{Dirs: dirs})
			if err == nil {
				err = s.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0, 1, 2})
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			return s
		}
		s, w := open(), &twin{map[protocol.Hash]protocol.Version{}, map[protocol.Hash]protocol.Version{}}
		for step := range 250 {
			if problem := twinStep(t, luck, s, w); problem != "" {
				t.Fatalf("seed %d, step %d: %s", seed, step, problem)
			}
			switch luck.IntN(30) {
			case 0:
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open()
			case 1:
				for i := range disks {
					disks[i] = disks[i].Crash(luck.Uint64())
				}
				_ = s.Close()
				s = open()
			}
		}
		if problem := sameList(t, s, w); problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func twinStep(t *testing.T, luck *rand.Rand, s *store.Store, w *twin) string {
	plain := storetest.Random(uint64(luck.IntN(8)), 30)
	h, v := protocol.HashOf(plain), version(uint64(luck.IntN(40)))
	switch luck.IntN(7) {
	case 0, 1:
		c, err := s.Put(t.Context(), store.PutRequest{Hash: h, Version: v, Body: plain, PlainSize: -1})
		if want := w.put(h, v); err != nil || c.Version != want {
			return fmt.Sprintf("put at %s: %s, %v; want %s", v, c.Version, err, want)
		}
	case 2:
		c, err := s.Touch(t.Context(), h, v)
		if want, kind := w.touch(h, v); protocol.KindOf(err) != kind || c.Version != want {
			return fmt.Sprintf("touch at %s: %s, %v; want %s, %s", v, c.Version, err, want, kind)
		}
	case 3, 4:
		got, err := s.Delete(t.Context(), h, v)
		if want := w.delete(h, v); err != nil || got != want {
			return fmt.Sprintf("delete below %s: %+v, %v; want %+v", v, got, err, want)
		}
	case 5:
		err := s.Quarantine(h)
		if want := w.quarantine(h); protocol.KindOf(err) != want {
			return fmt.Sprintf("quarantine: %v; want %s", err, want)
		}
	default:
		return sameBlock(t, s, w, h, plain)
	}
	return ""
}

func sameBlock(t *testing.T, s *store.Store, w *twin, h protocol.Hash, plain []byte) string {
	want, found := w.present[h]
	b, err := s.Get(t.Context(), h)
	if !found {
		if protocol.KindOf(err) != w.gone(h) {
			return fmt.Sprintf("get: %v; want %s", err, w.gone(h))
		}
		return ""
	}
	if err != nil {
		return fmt.Sprintf("get: %v", err)
	}
	defer b.Close()
	got, err := b.Plain(nil)
	if err != nil || !bytes.Equal(got, plain) || b.Info.Version != want {
		return fmt.Sprintf("get: %d bytes at %s, %v; want %s", len(got), b.Info.Version, err, want)
	}
	return ""
}

func sameList(t *testing.T, s *store.Store, w *twin) string {
	items, _, _, err := s.List(t.Context(), protocol.Hash{}, 100)
	if err != nil {
		return err.Error()
	}
	listed := map[protocol.Hash]bool{}
	for _, item := range items {
		listed[item.Hash] = true
		want, state := w.present[item.Hash], store.Good
		if _, found := w.present[item.Hash]; !found {
			want, state = w.aside[item.Hash], store.Quarantined
		}
		if item.Version != want || item.State != state {
			return fmt.Sprintf("listed %+v; want %s, %s", item, want, state)
		}
	}
	for h := range w.present {
		w.aside[h] = protocol.Version{}
	}
	if len(listed) != len(w.aside) || len(items) != len(listed) {
		return fmt.Sprintf("%d listed, %d there", len(items), len(w.aside))
	}
	return ""
}

// TestCrashAmongMany has many hands at work when the power goes: each keeps the
// last claim it got for its own block, and all of them hold.
func TestCrashAmongMany(t *testing.T) {
	formatted := &world{t: t, disk: crashfs.New(crashfs.Config{})}
	if err := inOrder(formatted.open, formatted.close); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(40) {
		w := &world{t: t, disk: formatted.disk.Settled()}
		if err := inOrder(w.open, w.adopt); err != nil {
			t.Fatal(err)
		}
		w.disk.SetHook(failAt(w.disk.Ops()+20+int(seed)*7, crashfs.ErrCrashed, seed%2 == 0))
		const hands = 6
		var claims [hands]protocol.Claim
		var all sync.WaitGroup
		for hand := range hands {
			all.Go(func() { claims[hand] = w.untilTheEnd(storetest.Random(uint64(hand), 900)) })
		}
		all.Wait()
		w.disk = w.disk.Crash(seed + 2)
		_ = w.close()
		if err := inOrder(w.open, w.adopt); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for hand, c := range claims {
			info, err := w.store.Verify(t.Context(), c.Hash)
			if c.Ack > 0 && (err != nil || info.Version.Less(c.Version)) {
				t.Fatalf("seed %d, hand %d: claimed %+v, found %+v, %v", seed, hand, c, info, err)
			}
			if d := w.store.Disks()[0]; d.Acks < c.Ack || w.store.HighestSeen().Less(c.Version) {
				t.Fatalf("seed %d, hand %d: claimed %+v, the disk counts %d at %s", seed, hand, c, d.Acks, w.store.HighestSeen())
			}
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// untilTheEnd stores and touches plain at rising versions until something fails,
// and returns the last claim.
func (w *world) untilTheEnd(plain []byte) (last protocol.Claim) {
	h := protocol.HashOf(plain)
	for counter := uint64(1); counter < 100; counter++ {
		c, err := w.store.Put(w.t.Context(), store.PutRequest{Hash: h, Version: version(counter), Body: plain, PlainSize: -1})
		if counter%3 == 0 {
			c, err = w.store.Touch(w.t.Context(), h, version(counter))
		}
		if err != nil {
			return last
		}
		last = c
	}
	return last
}

// TestCrashWhileAddingADisk cuts the power at every verb of a start that formats
// a second disk: the next start has both.
func TestCrashWhileAddingADisk(t *testing.T) {
	w := &world{t: t, disk: crashfs.New(crashfs.Config{})}
	if err := inOrder(w.open, w.adopt, func() error { return w.put(0, 3) }, w.close); err != nil {
		t.Fatal(err)
	}
	for at, done := 0, false; !done; at++ {
		if at > 20 && at < 500 {
			at += 97 // among the many directories
		}
		one, two := w.disk.Settled(), crashfs.New(crashfs.Config{})
		verbs, die := 0, func(crashfs.Op) *crashfs.Fault { return &crashfs.Fault{Err: crashfs.ErrCrashed} }
		count := func(op crashfs.Op) *crashfs.Fault {
			if verbs++; verbs > at {
				return die(op)
			}
			return nil
		}
		one.SetHook(count)
		two.SetHook(count)
		dirs := func() []store.Dir { return []store.Dir{{Path: "one", FS: one}, {Path: "two", FS: two}} }
		s, err := store.Open(store.Config{Dirs: dirs()})
		if done = err == nil; done {
			_ = s.Close()
		}
		one, two = one.Crash(uint64(at)), two.Crash(uint64(at+1))
		s, err = store.Open(store.Config{Dirs: dirs()})
		if err != nil {
			t.Fatalf("crash after verb %d: %v", at, err)
		}
		if _, err := s.Verify(t.Context(), protocol.HashOf(crashBlocks[0])); err != nil || len(s.Disks()) != 2 {
			t.Fatalf("crash after verb %d: %v", at, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
