package store_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

var errIO error = syscall.EIO

// expected are the kinds that a failing disk may answer with, and the states that
// a block may be left in.
var expected = map[protocol.Kind]bool{
	0: true, protocol.Disk: true, protocol.Full: true, protocol.NotFound: true, protocol.Quarantined: true,
}

// stubborn runs every step of a script whatever the one before answers. It
// returns the first answer that no failing disk explains.
func (w *world) stubborn() error {
	if err := inOrder(w.open, w.adopt); err != nil {
		return explain(err)
	}
	for i, step := range w.verbs() {
		if err := explain(step()); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if w.store == nil {
			return nil
		}
	}
	return explain(w.store.Close())
}

func explain(err error) error {
	if kind := protocol.KindOf(err); !expected[kind] {
		return fmt.Errorf("kind %s: %w", kind, err)
	}
	return nil
}

// TestFaultAnywhere fails each verb in turn, with EIO or ENOSPC, before or after
// its effect, and goes on: every answer is a typed error or true, also after a
// crash.
func TestFaultAnywhere(t *testing.T) {
	p := plays(t)[1]
	p.script, p.strict = (*world).stubborn, false
	for _, op := range p.verbs(t) {
		for i, fault := range []crashfs.Fault{{Err: errIO}, {Err: errIO, After: true}, {Err: syscall.ENOSPC}} {
			if fault.Err == syscall.ENOSPC && !op.Verb.Changes() {
				continue
			}
			w, err := p.run(t, failAt(op.Index, fault.Err, fault.After))
			if err != nil {
				t.Fatalf("%+v at %+v: %v", fault, op, err)
			}
			w.disk.SetHook(nil)
			w.disk = w.disk.Crash(uint64(i * op.Index))
			if err := w.check(); err != nil {
				t.Fatalf("%+v at %+v, then a crash: %v", fault, op, err)
			}
		}
	}
}

// TestFaultForEver has the disk fail from some verb on: nothing that it says
// after is an acknowledgement that does not hold.
func TestFaultForEver(t *testing.T) {
	p := plays(t)[1]
	p.script, p.strict = (*world).stubborn, false
	ops := p.verbs(t)
	for i := 0; i < len(ops); i += 3 {
		w, err := p.run(t, func(op crashfs.Op) *crashfs.Fault {
			if op.Index < ops[i].Index {
				return nil
			}
			return &crashfs.Fault{Err: []error{errIO, syscall.ENOSPC}[i%2], After: op.Index%2 == 0}
		})
		if err != nil {
			t.Fatalf("from %+v on: %v", ops[i], err)
		}
		w.disk.SetHook(nil)
		w.disk = w.disk.Crash(uint64(i))
		if err := w.check(); err != nil {
			t.Fatalf("from %+v on, then a crash: %v", ops[i], err)
		}
	}
}

// TestFailedSyncIsFinal: a disk whose sync failed acknowledges nothing more, the
// other disks go on, and what the failed one held is stored again above it.
func TestFailedSyncIsFinal(t *testing.T) {
	bad, good := crashfs.New(crashfs.Config{Capacity: 1 << 30}), crashfs.New(crashfs.Config{Capacity: 1 << 29})
	s, err := store.Open(store.Config{Dirs: []store.Dir{{Path: "bad", FS: bad}, {Path: "good", FS: good}}})
	if err == nil {
		err = s.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0, 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(block int, counter uint64) (protocol.Claim, error) {
		plain := crashBlocks[block]
		return s.Put(t.Context(), store.PutRequest{Hash: protocol.HashOf(plain), Version: version(counter), Body: plain, PlainSize: -1})
	}
	if c, err := put(0, 9); err != nil || c.Disk != 0 {
		t.Fatalf("%+v, %v: the roomier disk comes first", c, err)
	}
	syncs := 0
	bad.SetHook(func(op crashfs.Op) *crashfs.Fault {
		if op.Verb == crashfs.VerbSync {
			syncs++
			return &crashfs.Fault{Err: errIO}
		}
		return nil
	})
	if _, err := put(1, 4); protocol.KindOf(err) != protocol.Disk {
		t.Fatalf("a failed sync answers %v", err)
	}
	if tmp, err := bad.ReadDir("tmp"); err != nil || len(tmp) > 0 {
		t.Fatalf("tmp holds %v, %v", tmp, err)
	}
	if c, err := put(1, 4); err != nil || c.Disk != 1 || c.Ack != 1 {
		t.Fatalf("the other disk: %+v, %v", c, err)
	}
	if _, err := s.Touch(t.Context(), protocol.HashOf(crashBlocks[0]), version(10)); protocol.KindOf(err) != protocol.Disk {
		t.Fatalf("a touch on the failed disk answers %v", err)
	}
	if c, err := put(0, 2); err != nil || c.Disk != 1 || c.Version.Less(version(9)) {
		t.Fatalf("stored again: %+v, %v", c, err)
	}
	if c, err := s.Touch(t.Context(), protocol.HashOf(crashBlocks[0]), version(11)); err != nil || c.Disk != 1 || c.Version != version(11) {
		t.Fatalf("a touch of the good copy: %+v, %v", c, err)
	}
	if states := s.Disks(); syncs != 1 || states[0].Failure == nil || states[1].Failure != nil {
		t.Fatalf("%d syncs, %+v", syncs, states)
	}
}

// TestFullDisk runs out of space in the file system itself.
func TestFullDisk(t *testing.T) {
	w := &world{t: t, disk: crashfs.New(crashfs.Config{Capacity: 20 << 10})}
	if err := inOrder(w.open, w.adopt); err != nil {
		t.Fatal(err)
	}
	defer w.store.Close()
	full := 0
	for i := range uint64(20) {
		plain := storetest.Random(i, 2000)
		_, err := w.store.Put(t.Context(), store.PutRequest{Hash: protocol.HashOf(plain), Version: version(1), Body: plain, PlainSize: -1})
		switch protocol.KindOf(err) {
		case 0:
		case protocol.Full:
			full++
		default:
			t.Fatal(err)
		}
	}
	tmp, err := w.disk.ReadDir("tmp")
	if d := w.store.Disks()[0]; full == 0 || full == 20 || d.Failure != nil || len(tmp) > 0 || err != nil {
		t.Fatalf("%d of 20 found no room; %+v; tmp %v, %v", full, d, tmp, err)
	}
	if err := w.checkCounts(); err != nil {
		t.Fatal(err)
	}
}
