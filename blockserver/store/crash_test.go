package store_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// play is a script on disks of its own kind.
type play struct {
	name   string
	disk   func() *crashfs.FS
	script func(*world) error
	strict bool
}

// plays returns the first start on an empty disk, and the long script on one that
// was formatted before.
func plays(t *testing.T) []play {
	formatted := &world{t: t, disk: crashfs.New(crashfs.Config{})}
	if err := inOrder(formatted.open, formatted.close); err != nil {
		t.Fatal(err)
	}
	return []play{
		{"formatting", func() *crashfs.FS { return crashfs.New(crashfs.Config{}) }, (*world).formatting, true},
		{"verbs", formatted.disk.Settled, (*world).script, true},
	}
}

// run plays the script under a hook.
func (p play) run(t *testing.T, hook func(crashfs.Op) *crashfs.Fault) (*world, error) {
	w := &world{t: t, disk: p.disk(), strict: p.strict}
	w.disk.SetHook(hook)
	return w, p.script(w)
}

// verbs returns the verbs of a run without faults.
func (p play) verbs(t *testing.T) []crashfs.Op {
	var ops []crashfs.Op
	_, err := p.run(t, func(op crashfs.Op) *crashfs.Fault {
		ops = append(ops, op)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// changing are the verbs that change something, with only a few of the many
// directories of a formatting.
func changing(ops []crashfs.Op) []crashfs.Op {
	tops := 0
	return slices.DeleteFunc(slices.Clone(ops), func(op crashfs.Op) bool {
		if op.Verb == crashfs.VerbMkdir && len(op.Name) == len("data/ab") {
			tops++
			return tops%100 != 1
		}
		return !op.Verb.Changes()
	})
}

func failAt(at int, err error, after bool) func(crashfs.Op) *crashfs.Fault {
	return func(op crashfs.Op) *crashfs.Fault {
		if op.Index == at {
			return &crashfs.Fault{Err: err, After: after}
		}
		return nil
	}
}

// TestCrashAnywhere cuts the power before and after every verb that changes
// something, loses what was not synced in several ways, and expects every
// acknowledgement to hold.
func TestCrashAnywhere(t *testing.T) {
	for _, p := range plays(t) {
		for _, op := range changing(p.verbs(t)) {
			for luck := range uint64(6) {
				seed, after := luck, luck%2 == 0
				if luck > 1 {
					seed = luck*1000 + uint64(op.Index)
				}
				w, err := p.run(t, failAt(op.Index, crashfs.ErrCrashed, after))
				if !errors.Is(err, crashfs.ErrCrashed) {
					t.Fatalf("%s, %+v: the script ends with %v", p.name, op, err)
				}
				w.disk = w.disk.Crash(seed)
				if err := w.check(); err != nil {
					t.Fatalf("%s, crash at %+v (after=%v, seed=%d): %v", p.name, op, after, seed, err)
				}
			}
		}
	}
}

// TestKillAnywhere kills the process instead: what was written stays visible to
// the next one and unsynced, until the power is cut too.
func TestKillAnywhere(t *testing.T) {
	for _, p := range plays(t) {
		for _, op := range changing(p.verbs(t)) {
			w, err := p.run(t, failAt(op.Index, crashfs.ErrCrashed, op.Index%2 == 0))
			if !errors.Is(err, crashfs.ErrCrashed) {
				t.Fatalf("%s, %+v: the script ends with %v", p.name, op, err)
			}
			w.disk = w.disk.Restart()
			w.disk.SetHook(nil)
			if err := w.check(); err != nil {
				t.Fatalf("%s, kill at %+v: %v", p.name, op, err)
			}
			w.disk = w.disk.Crash(0)
			if err := w.check(); err != nil {
				t.Fatalf("%s, kill at %+v, then a power cut: %v", p.name, op, err)
			}
		}
	}
}

// TestCrashAfterCrash cuts the power again while the store recovers.
func TestCrashAfterCrash(t *testing.T) {
	p := plays(t)[1]
	ops := changing(p.verbs(t))
	first := ops[len(ops)*2/3]
	for again := range 40 {
		w, err := p.run(t, failAt(first.Index, crashfs.ErrCrashed, true))
		if !errors.Is(err, crashfs.ErrCrashed) {
			t.Fatal(err)
		}
		w.disk = w.disk.Crash(uint64(3 + again))
		n := 0
		w.disk.SetHook(func(op crashfs.Op) *crashfs.Fault {
			if n++; n == 1+again*2 {
				return &crashfs.Fault{Err: crashfs.ErrCrashed, After: true}
			}
			return nil
		})
		// What this attempt acknowledges counts, where it ends does not.
		_ = w.check()
		w.disk = w.disk.Crash(uint64(7 + again))
		if err := w.check(); err != nil {
			t.Fatalf("second crash at verb %d: %v", again*2, err)
		}
	}
}

// TestScriptUsesEveryVerb keeps the script honest.
func TestScriptUsesEveryVerb(t *testing.T) {
	used := map[crashfs.Verb]bool{}
	for _, p := range plays(t) {
		for _, op := range p.verbs(t) {
			used[op.Verb] = true
		}
	}
	for _, v := range []crashfs.Verb{
		crashfs.VerbCreate, crashfs.VerbOpen, crashfs.VerbMkdir, crashfs.VerbRename, crashfs.VerbRemove, crashfs.VerbReadDir,
		crashfs.VerbSyncDir, crashfs.VerbSyncAll, crashfs.VerbRead, crashfs.VerbWrite, crashfs.VerbSync, crashfs.VerbLock,
	} {
		if !used[v] {
			t.Errorf("the script never uses %s", v)
		}
	}
}

// TestTouchRewritesAfterAFailedSync: a process that could not sync a version dies;
// the next one sees that version in memory, and must not acknowledge it unless it
// has written it itself.
func TestTouchRewritesAfterAFailedSync(t *testing.T) {
	for seed := range uint64(8) {
		w := &world{t: t, disk: crashfs.New(crashfs.Config{Seed: seed})}
		if err := inOrder(w.open, w.adopt, func() error { return w.put(0, 3) }); err != nil {
			t.Fatal(err)
		}
		w.disk.SetHook(func(op crashfs.Op) *crashfs.Fault {
			if op.Verb == crashfs.VerbSync {
				return &crashfs.Fault{Err: errIO}
			}
			return nil
		})
		if err := w.touch(0, 9); protocol.KindOf(err) != protocol.Disk {
			t.Fatalf("touch with a failing sync: %v", err)
		}
		w.disk.SetHook(nil)
		w.disk = w.disk.Restart()
		if err := inOrder(w.open, w.adopt, func() error { return w.touch(0, 9) }); err != nil {
			t.Fatal(err)
		}
		w.disk = w.disk.Crash(0)
		if err := w.check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestForeignFilesDoNotStopARecount: what is no directory of blocks is passed over
// when a crash has the store count again, as it is in listings.
func TestForeignFilesDoNotStopARecount(t *testing.T) {
	w := &world{t: t, disk: crashfs.New(crashfs.Config{})}
	if err := inOrder(w.open, w.adopt, func() error { return w.put(0, 3) }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data/7f/notes", "data/7f/7f", "data/7f/x"} {
		if err := durable.Write(w.disk, name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	w.disk = w.disk.Restart()
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
}

// TestSetAsideAfterHalfACrash: power is cut when the new name of a bad file is
// durable and the loss of its old one is not. A rename of a file's one name to its
// other does nothing; what is set aside is absent all the same.
func TestSetAsideAfterHalfACrash(t *testing.T) {
	h := protocol.HashOf(crashBlocks[0])
	digits := h.String()
	file := "data/" + digits[:2] + "/" + digits[2:4] + "/" + digits
	w := &world{t: t, disk: crashfs.New(crashfs.Config{})}
	if err := inOrder(w.open, w.adopt, func() error { return w.put(0, 9) }); err != nil {
		t.Fatal(err)
	}
	// The first sync of a directory is that of where the file goes.
	syncs := 0
	w.disk.SetHook(func(op crashfs.Op) *crashfs.Fault {
		if op.Verb != crashfs.VerbSyncDir {
			return nil
		}
		if syncs++; syncs == 1 {
			return nil
		}
		return &crashfs.Fault{Err: crashfs.ErrCrashed}
	})
	if err := w.store.Quarantine(h); err == nil {
		t.Fatal("it is set aside without a durable name")
	}
	w.disk.SetHook(nil)
	w.disk = w.disk.Crash(0)
	if _, err := w.disk.Stat(file); err != nil {
		t.Fatalf("the old name is gone: %v", err)
	}
	if err := inOrder(w.open, w.adopt); err != nil {
		t.Fatal(err)
	}
	defer w.store.Close()
	if err := w.store.Quarantine(h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.disk.Stat(file); err == nil {
		t.Error("the file is set aside and still there")
	}
	if _, err := w.store.Stat(h); protocol.KindOf(err) != protocol.Quarantined {
		t.Errorf("stat: %v", err)
	}
}
