package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// fact is what the world may rely on for one block, from acknowledgements alone.
type fact struct {
	// present: good bytes, at version or above. If trying, a delete, or setting
	// aside, was begun after and not answered, so that it may be gone too.
	present bool
	version protocol.Version
	// aside: quarantined by hand, and so absent unless a put was begun after, which
	// putting says.
	aside, putting bool
	// deleted: a delete below this version was answered, so that no lower one is
	// present.
	deleted protocol.Version
	trying  bool
}

// world runs a script of verbs against a store and keeps the facts.
type world struct {
	t     *testing.T
	disk  *crashfs.FS
	store *store.Store
	facts [4]fact
	// everAside: setting aside was begun at some time.
	everAside [4]bool
	highest   protocol.Version
	acks      uint64
	// strict: nothing but crashes happens, so that counts are exact.
	strict bool
	// starts counts adoptions, as incarnations do.
	starts protocol.Incarnation
}

var crashBlocks = [4][]byte{storetest.Text(1, 700), storetest.Random(2, 1500), storetest.Random(3, 40), {}}

func version(counter uint64) protocol.Version {
	return protocol.Version{Generation: 1, Counter: counter}
}

func (w *world) open() error {
	s, err := store.Open(store.Config{
		Dirs:   []store.Dir{{Path: "disk", FS: w.disk}},
		Random: rand.NewChaCha8([32]byte{1}),
	})
	w.store = s
	return err
}

func (w *world) adopt() error {
	w.starts++
	return w.store.Adopt(storetest.Cluster, storetest.Node, w.starts, []uint32{0})
}

// acknowledged notes a claim.
func (w *world) acknowledged(block int, asked protocol.Version, c protocol.Claim) {
	if c.Version.Less(asked) || c.Ack <= w.acks {
		w.t.Errorf("claim %+v for version %s after acknowledgement %d", c, asked, w.acks)
	}
	w.acks = c.Ack
	w.highest = w.highest.Max(c.Version)
	if f := w.facts[block]; f.present && c.Version.Less(f.version) {
		w.t.Errorf("block %d went from %s to %s", block, f.version, c.Version)
	}
	w.facts[block] = fact{present: true, version: c.Version, deleted: w.facts[block].deleted}
}

func (w *world) put(block int, counter uint64) error {
	plain := crashBlocks[block]
	w.facts[block].putting = true
	c, err := w.store.Put(context.Background(), store.PutRequest{
		Hash: protocol.HashOf(plain), Version: version(counter), Body: plain, PlainSize: len(plain),
	})
	if err == nil {
		w.acknowledged(block, version(counter), c)
	}
	return err
}

func (w *world) touch(block int, counter uint64) error {
	c, err := w.store.Touch(context.Background(), protocol.HashOf(crashBlocks[block]), version(counter))
	if err == nil {
		w.acknowledged(block, version(counter), c)
	}
	return err
}

func (w *world) delete(block int, below uint64) error {
	f := &w.facts[block]
	if f.version.Less(version(below)) {
		f.trying = true
	}
	d, err := w.store.Delete(context.Background(), protocol.HashOf(crashBlocks[block]), version(below))
	switch {
	case err != nil:
	case d.Kept && d.Version.Less(version(below)):
		w.t.Errorf("delete below %d keeps %s", below, d.Version)
	case d.Kept:
		*f = fact{present: true, version: d.Version, deleted: version(below)}
	default:
		if f.present && !f.trying && !f.version.Less(version(below)) {
			w.t.Errorf("delete below %d took version %s", below, f.version)
		}
		*f = fact{deleted: version(below)}
		if w.store.Disks()[0].Failure != nil {
			// What is absent on a failed disk may come back; it is a stray then.
			f.deleted = protocol.Version{}
		}
	}
	return err
}

func (w *world) quarantine(block int) error {
	w.facts[block].trying, w.everAside[block] = true, true
	err := w.store.Quarantine(protocol.HashOf(crashBlocks[block]))
	if err == nil {
		w.facts[block] = fact{aside: true, version: w.facts[block].version}
	}
	return err
}

// restart closes and opens the store. A disk that failed is unmounted in between,
// which the store asks for: what its failed sync lost is seen to be lost.
func (w *world) restart() error {
	err := w.store.Close()
	failed := err != nil || w.store.Disks()[0].Failure != nil
	if failed && w.strict {
		return errors.Join(err, w.store.Disks()[0].Failure)
	}
	if failed {
		hook := w.disk.Hook()
		w.disk = w.disk.Crash(uint64(w.disk.Ops()))
		w.disk.SetHook(hook)
	}
	return inOrder(w.open, w.adopt)
}

// inOrder runs steps up to the first error.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) close() error { return w.store.Close() }

// formatting is a first start.
func (w *world) formatting() error {
	return inOrder(w.open, w.adopt, func() error { return w.put(0, 3) }, w.close)
}

// script is every verb at least once in every state that it tells apart; it ends
// at the first error.
func (w *world) script() error {
	return inOrder(w.open, w.adopt, func() error { return inOrder(w.verbs()...) }, w.close)
}

func (w *world) verbs() []func() error {
	return []func() error{
		func() error { return w.put(0, 3) }, func() error { return w.put(1, 4) },
		func() error { return w.touch(0, 6) }, func() error { return w.put(0, 5) },
		func() error { return w.delete(1, 4) }, func() error { return w.delete(1, 9) },
		func() error { return w.put(1, 10) }, func() error { return w.quarantine(0) },
		func() error { return w.put(0, 2) }, func() error { return w.delete(0, 6) },
		func() error { return w.put(3, 11) },
		w.restart,
		func() error { return w.touch(1, 8) }, func() error { return w.touch(0, 12) },
		func() error { return w.put(2, 13) }, func() error { return w.touch(2, 14) },
		func() error { return w.touch(2, 15) }, func() error { return w.quarantine(3) },
		func() error { return w.delete(3, 20) }, func() error { return w.delete(0, 21) },
	}
}

// check opens what a crash left and compares it with the facts.
func (w *world) check() error {
	if err := w.open(); err != nil {
		return fmt.Errorf("open after the crash: %w", err)
	}
	defer func() { _ = w.close() }()
	if err := w.adopt(); err != nil {
		return fmt.Errorf("adopt after the crash: %w", err)
	}
	if tmp, err := w.disk.ReadDir("tmp"); err != nil || len(tmp) > 0 {
		return fmt.Errorf("tmp holds %v, %v", tmp, err)
	}
	if seen := w.store.HighestSeen(); seen.Less(w.highest) {
		return fmt.Errorf("highest seen %s, acknowledged %s", seen, w.highest)
	}
	if d := w.store.Disks()[0]; d.Acks < w.acks || d.Failure != nil {
		return fmt.Errorf("%d acknowledgements of %d, %v", d.Acks, w.acks, d.Failure)
	}
	if err := w.checkCounts(); err != nil && w.strict {
		return err
	}
	for block, f := range w.facts {
		if err := w.checkBlock(block); err != nil {
			return fmt.Errorf("block %d: %w (%+v)", block, err, f)
		}
		if (f.present || f.aside) && !f.trying {
			// The version is remembered, also that of what was set aside.
			if err := w.put(block, 1); err != nil || w.facts[block].version.Less(f.version) {
				return fmt.Errorf("block %d was at %s, put at %s, %v", block, f.version, w.facts[block].version, err)
			}
		}
	}
	// And it works: everything can be stored again, above all that was.
	for block := range w.facts {
		if err := w.put(block, 100); err != nil {
			return err
		}
	}
	return nil
}

// checkCounts compares what Open counted with what List finds.
func (w *world) checkCounts() error {
	items, _, _, err := w.store.List(context.Background(), protocol.Hash{}, 100)
	if err != nil {
		return err
	}
	blocks, bytes := uint64(0), uint64(0)
	for _, item := range items {
		if item.State == store.Good {
			blocks++
			bytes += uint64(item.StoredSize) + blockfile.HeaderSize
		}
		if w.store.HighestSeen().Less(item.Version) {
			return fmt.Errorf("highest seen %s, a file is at %s", w.store.HighestSeen(), item.Version)
		}
	}
	if d := w.store.Disks()[0]; d.Blocks != blocks || d.Used != bytes {
		return fmt.Errorf("%d blocks of %d bytes counted, %d of %d listed", d.Blocks, d.Used, blocks, bytes)
	}
	return nil
}

func (w *world) checkBlock(block int) error {
	f, h := w.facts[block], protocol.HashOf(crashBlocks[block])
	info, err := w.store.Verify(context.Background(), h)
	switch kind := protocol.KindOf(err); {
	case kind == protocol.NotFound || (kind == protocol.Quarantined && w.everAside[block]):
		if f.present && !f.trying {
			return errors.New("acknowledged, and gone")
		}
		return nil
	case err != nil:
		return fmt.Errorf("half-visible: %w", err)
	}
	switch {
	case f.present && info.Version.Less(f.version):
		return fmt.Errorf("acknowledged at %s, kept at %s", f.version, info.Version)
	case f.aside && !f.putting:
		return errors.New("set aside, and there")
	case info.Version.Less(f.deleted):
		return fmt.Errorf("deleted below %s, there at %s", f.deleted, info.Version)
	}
	b, err := w.store.Get(context.Background(), h)
	if err != nil {
		return err
	}
	defer b.Close()
	if plain, err := b.Plain(nil); err != nil || !bytes.Equal(plain, crashBlocks[block]) {
		return fmt.Errorf("%d plain bytes, %w", len(plain), err)
	}
	return nil
}
