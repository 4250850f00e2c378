package crashfs_test

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, f durable.FS, name string, content []byte) durable.File {
	t.Helper()
	file, err := f.Create(name)
	must(t, err)
	_, err = file.WriteAt(content, 0)
	must(t, err)
	return file
}

func content(t *testing.T, f durable.FS, name string) []byte {
	t.Helper()
	b, err := durable.Read(f, name, 1<<30)
	must(t, err)
	return b
}

// outcomes crashes the same run at many seeds and counts what it finds.
func outcomes(t *testing.T, run func(f *crashfs.FS), look func(f *crashfs.FS) string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for seed := range uint64(300) {
		f := crashfs.New(crashfs.Config{})
		run(f)
		first := look(f.Crash(seed))
		again := crashfs.New(crashfs.Config{})
		run(again)
		if second := look(again.Crash(seed)); second != first {
			t.Fatalf("seed %d gave %q and %q", seed, first, second)
		}
		seen[first]++
	}
	return seen
}

func presence(names ...string) func(f *crashfs.FS) string {
	return func(f *crashfs.FS) string {
		out := ""
		for _, name := range names {
			if _, err := f.Stat(name); err == nil {
				out += name + " "
			}
		}
		return out
	}
}

func expectOutcomes(t *testing.T, got map[string]int, want ...string) {
	t.Helper()
	for _, w := range want {
		if got[w] == 0 {
			t.Errorf("never saw %q: %v", w, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("saw %v, want %q only", got, want)
	}
}

func TestUnsyncedNamesAreLostOrKept(t *testing.T) {
	expectOutcomes(t, outcomes(t, func(f *crashfs.FS) {
		must(t, create(t, f, "a", []byte("x")).Sync())
	}, presence("a")), "", "a ")
	expectOutcomes(t, outcomes(t, func(f *crashfs.FS) {
		must(t, create(t, f, "a", []byte("x")).Sync(), f.SyncDir("."))
	}, presence("a")), "a ")
	expectOutcomes(t, outcomes(t, func(f *crashfs.FS) {
		must(t, f.Mkdir("d"), create(t, f, "d/a", nil).Sync(), f.SyncDir("d"))
	}, presence("d/a")), "", "d/a ")
}

func TestRenameIsTwoNames(t *testing.T) {
	run := func(sync ...string) func(f *crashfs.FS) {
		return func(f *crashfs.FS) {
			must(t, f.Mkdir("d"), create(t, f, "a", []byte("x")).Sync(), f.SyncAll(), f.Rename("a", "d/b"))
			for _, dir := range sync {
				must(t, f.SyncDir(dir))
			}
		}
	}
	look := presence("a", "d/b")
	expectOutcomes(t, outcomes(t, run(), look), "", "a ", "d/b ", "a d/b ")
	expectOutcomes(t, outcomes(t, run("d"), look), "d/b ", "a d/b ")
	expectOutcomes(t, outcomes(t, run("d", "."), look), "d/b ")
}

func TestUnsyncedBytesAreTorn(t *testing.T) {
	old, fresh := bytes.Repeat([]byte("o"), 1024), bytes.Repeat([]byte("n"), 1024)
	seen := outcomes(t, func(f *crashfs.FS) {
		file := create(t, f, "a", old)
		must(t, file.Sync(), f.SyncDir("."))
		_, err := file.WriteAt(fresh, 0)
		must(t, err)
	}, func(f *crashfs.FS) string {
		got := content(t, f, "a")
		if len(got) != len(old) || len(bytes.Trim(got, "on")) > 0 {
			t.Fatalf("content %q", got)
		}
		return string(got)
	})
	for _, half := range [][]byte{append(old[:512:512], fresh[512:]...), append(fresh[:512:512], old[512:]...), old, fresh} {
		if seen[string(half)] == 0 {
			t.Error("a sector is never torn from its neighbour")
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d outcomes: no sector is torn inside", len(seen))
	}
}

func TestSyncedBytesStay(t *testing.T) {
	seen := outcomes(t, func(f *crashfs.FS) {
		file := create(t, f, "a", []byte("0123456789"))
		must(t, file.Sync(), f.SyncDir("."))
		_, err := file.WriteAt([]byte("xx"), 4)
		must(t, err)
	}, func(f *crashfs.FS) string {
		got := content(t, f, "a")
		if string(got[:4])+string(got[6:]) != "01236789" {
			t.Fatalf("bytes beside a write changed: %q", got)
		}
		return string(got[4:6])
	})
	expectOutcomes(t, seen, "45", "xx", "x5")
}

// TestFailedSyncLies: readers see all the bytes, a second sync succeeds, and the
// crash shows that some were never there.
func TestFailedSyncLies(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		f := crashfs.New(crashfs.Config{Seed: seed})
		file := create(t, f, "a", bytes.Repeat([]byte("o"), 2048))
		must(t, file.Sync(), f.SyncDir("."))
		_, err := file.WriteAt(bytes.Repeat([]byte("n"), 2048), 0)
		must(t, err)
		f.SetHook(func(crashfs.Op) *crashfs.Fault { return &crashfs.Fault{Err: syscall.EIO} })
		if err := file.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		f.SetHook(nil)
		must(t, file.Sync())
		if got := content(t, f, "a"); bytes.Contains(got, []byte("o")) {
			t.Fatal("readers see what the failed sync lost")
		}
		if bytes.Contains(content(t, f.Crash(1), "a"), []byte("o")) {
			lost++
		}
	}
	if lost == 0 {
		t.Error("a failed sync never lost a byte")
	}
}

func TestFaultsBeforeAndAfter(t *testing.T) {
	for _, after := range []bool{false, true} {
		f := crashfs.New(crashfs.Config{})
		must(t, create(t, f, "a", nil).Sync())
		f.SetHook(func(crashfs.Op) *crashfs.Fault { return &crashfs.Fault{Err: syscall.EIO, After: after} })
		for _, err := range []error{f.Rename("a", "b"), f.Mkdir("d")} {
			if !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
		}
		f.SetHook(nil)
		want := "a "
		if after {
			want = "b d "
		}
		if got := presence("a", "b", "d")(f); got != want {
			t.Errorf("after=%v: %q, want %q", after, got, want)
		}
	}
}

func TestCrashKillsTheOldOne(t *testing.T) {
	f := crashfs.New(crashfs.Config{Seed: 3})
	file := create(t, f, "a", []byte("old"))
	must(t, file.Sync(), f.SyncDir("."))
	lock, err := f.Lock("lock")
	must(t, err)
	restarted := f.Restart()
	if _, err := file.WriteAt([]byte("new"), 0); !errors.Is(err, crashfs.ErrCrashed) {
		t.Errorf("a dead process writes: %v", err)
	}
	if err := f.SyncAll(); !errors.Is(err, crashfs.ErrCrashed) {
		t.Errorf("a dead process syncs: %v", err)
	}
	if got := content(t, restarted, "a"); string(got) != "old" {
		t.Errorf("content %q", got)
	}
	_, err = restarted.Lock("lock")
	must(t, err, lock.Close())
	if _, err := restarted.Lock("lock"); err == nil {
		t.Error("a dead process gave up another's lock")
	}
	copied := restarted.Settled()
	must(t, restarted.Remove("a"))
	if got := content(t, copied, "a"); string(got) != "old" {
		t.Errorf("a settled copy changed to %q", got)
	}
}

func TestCapacity(t *testing.T) {
	f := crashfs.New(crashfs.Config{Capacity: 10})
	file := create(t, f, "a", []byte("12345678"))
	n, err := file.WriteAt([]byte("1234"), 8)
	if n != 2 || !durable.IsFull(err) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if _, err := file.WriteAt([]byte("x"), 0); err != nil {
		t.Errorf("writing in place: %v", err)
	}
	must(t, f.Remove("a"))
	must(t, create(t, f, "b", []byte("1234567890")).Sync())
	if space, err := f.Space(); err != nil || space.Free != 0 || space.Total != 10 {
		t.Errorf("space %+v, %v", space, err)
	}
	file, err = f.Open("b")
	must(t, err)
	if _, err := file.ReadAt(make([]byte, 20), 0); !errors.Is(err, io.EOF) {
		t.Errorf("reading past the end: %v", err)
	}
	if _, err := file.WriteAt([]byte("x"), 0); err == nil {
		t.Error("a file opened for reading was written")
	}
}
