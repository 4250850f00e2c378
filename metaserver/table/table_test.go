package table_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table/tabletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openPebble(t testing.TB, cfg table.PebbleConfig) *table.Pebble {
	t.Helper()
	p, err := table.OpenPebble(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func fresh(t testing.TB) *table.Pebble {
	return openPebble(t, table.PebbleConfig{Dir: t.TempDir(), Create: true})
}

func TestMemoryConforms(t *testing.T) {
	tabletest.Run(t, func(*testing.T) state.Table { return table.NewMemory() })
}

func TestPebbleConforms(t *testing.T) {
	tabletest.Run(t, func(t *testing.T) state.Table { return fresh(t) })
}

func TestTwins(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, err := table.OpenPebble(table.PebbleConfig{Dir: "db", Create: true, FS: vfs.NewMem(), MemTableBytes: 64 << 10})
		if err != nil {
			rt.Fatal(err)
		}
		defer p.Close()
		tabletest.Twins(rt, p, table.NewMemory())
	})
}

func TestOnlyCreateMakesADatabase(t *testing.T) {
	dir := t.TempDir()
	if _, err := table.OpenPebble(table.PebbleConfig{Dir: dir}); err == nil {
		t.Fatal("an empty folder became a database")
	}
	p := openPebble(t, table.PebbleConfig{Dir: dir, Create: true})
	tabletest.Write(t, p, tabletest.Set("a", "1"))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := table.OpenPebble(table.PebbleConfig{Dir: dir, Create: true}); err == nil {
		t.Fatal("a database was made anew")
	}
	p = openPebble(t, table.PebbleConfig{Dir: dir})
	if got := tabletest.Rows(t, p, "", ""); len(got) != 1 {
		t.Fatalf("%v", got)
	}
}

// A crash leaves a prefix of the batches, whole ones; and all of them after Sync.
func TestACrashLeavesAPrefix(t *testing.T) {
	for _, synced := range []int{0, 57, 200} {
		mem := vfs.NewCrashableMem()
		p := openPebble(t, table.PebbleConfig{Dir: "db", Create: true, FS: mem, MemTableBytes: 64 << 10})
		for i := range 200 {
			if i == synced {
				if err := p.Sync(); err != nil {
					t.Fatal(err)
				}
			}
			n := fmt.Sprintf("%04d", i)
			tabletest.Write(t, p, tabletest.Set("a"+n, strings.Repeat("v", 1000)), tabletest.Set("b"+n, n), tabletest.Set("last", n))
		}
		if synced == 200 {
			if err := p.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
		after := openPebble(t, table.PebbleConfig{Dir: "db", FS: crashed})
		kept := len(tabletest.Rows(t, after, "a", "b"))
		last := tabletest.Rows(t, after, "last", "m")
		if kept < synced || len(tabletest.Rows(t, after, "b", "c")) != kept {
			t.Fatalf("%d batches were synced, %d survived", synced, kept)
		}
		if kept > 0 && (len(last) != 1 || last[0] != fmt.Sprintf("last=%04d", kept-1)) {
			t.Fatalf("%d batches survived, but %v", kept, last)
		}
		_ = after.Close()
		_ = p.Close()
	}
}

func TestCheckpointIsTheMoment(t *testing.T) {
	p := fresh(t)
	for i := range 100 {
		tabletest.Write(t, p, tabletest.Set(fmt.Sprintf("k%03d", i), "before"))
	}
	dir := filepath.Join(t.TempDir(), "checkpoint")
	if err := p.Checkpoint(dir); err != nil {
		t.Fatal(err)
	}
	tabletest.Write(t, p, tabletest.Set("k000", "after"))
	if err := p.Checkpoint(dir); err == nil {
		t.Fatal("a checkpoint took the place of another")
	}
	c := openPebble(t, table.PebbleConfig{Dir: dir})
	if got := tabletest.Rows(t, c, "", ""); len(got) != 100 || got[0] != "k000=before" {
		t.Fatalf("%d rows, first %s", len(got), got[0])
	}
	if got := tabletest.Rows(t, p, "", ""); got[0] != "k000=after" {
		t.Fatalf("a failed checkpoint hurt the table: %s", got[0])
	}
}

// A checkpoint's tables are the table's own files by another name: its cost does
// not grow with them.
func TestCheckpointLinks(t *testing.T) {
	from := t.TempDir()
	p := openPebble(t, table.PebbleConfig{Dir: from, Create: true, MemTableBytes: 64 << 10})
	for i := range 300 {
		tabletest.Write(t, p, tabletest.Set(fmt.Sprintf("k%03d", i), strings.Repeat(fmt.Sprint(i), 1000)))
	}
	to := filepath.Join(t.TempDir(), "checkpoint")
	if err := p.Checkpoint(to); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(to, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	shared := 0
	for _, path := range tables {
		a, errA := os.Stat(path)
		b, errB := os.Stat(filepath.Join(from, filepath.Base(path)))
		if errA != nil || errB != nil && !errors.Is(errB, os.ErrNotExist) {
			t.Fatal(errA, errB)
		}
		if errB == nil { // a compaction may have dropped the other name
			if !os.SameFile(a, b) {
				t.Fatalf("%s was copied", path)
			}
			shared++
		}
	}
	t.Logf("%d of %d tables are still shared", shared, len(tables))
}

// After a failed write of pebble's log nothing is answered any more, and OnFatal
// was told once.
func TestPoison(t *testing.T) {
	var broken atomic.Bool
	told := make(chan error, 10)
	failing := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			return errorfs.ErrInjected
		}
		return nil
	}))
	p := openPebble(t, table.PebbleConfig{Dir: "db", Create: true, FS: failing, MemTableBytes: 64 << 10, OnFatal: func(err error) { told <- err }})
	tabletest.Write(t, p, tabletest.Set("a", "1"))
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	view := p.View()
	broken.Store(true)
	err := p.Sync()
	if !errors.Is(err, errorfs.ErrInjected) && err == nil {
		t.Fatalf("a failed sync: %v", err)
	}
	<-told
	_, _, getErr := p.Get([]byte("a"))
	_, _, viewErr := view.Get([]byte("a"))
	for verb, err := range map[string]error{
		"Write":      p.Write([]state.Mutation{tabletest.Set("b", "2")}),
		"Get":        getErr,
		"View.Get":   viewErr,
		"Scan":       p.Scan(nil, nil, func(k, v []byte) bool { return true }),
		"Sync":       p.Sync(),
		"Checkpoint": p.Checkpoint("elsewhere"),
	} {
		if err == nil {
			t.Errorf("%s answers after the failure", verb)
		}
	}
	_ = view.Close()
	if err := p.Close(); err == nil {
		t.Error("Close hides the failure")
	}
	if len(told) != 0 {
		t.Errorf("OnFatal was told again: %v", <-told)
	}
}

// The format is for ever: a database made by this code says which it is.
func TestFormatIsPinned(t *testing.T) {
	dir := t.TempDir()
	_ = openPebble(t, table.PebbleConfig{Dir: dir, Create: true}).Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "marker.format-version.") {
			if !strings.HasSuffix(e.Name(), ".024") {
				t.Fatalf("new databases are of format %s", e.Name())
			}
			return
		}
	}
	t.Fatal("no format marker")
}

func BenchmarkView(b *testing.B) {
	for name, open := range map[string]func() state.Table{
		"memory": func() state.Table { return table.NewMemory() },
		"pebble": func() state.Table { return fresh(b) },
	} {
		b.Run(name, func(b *testing.B) {
			t := open()
			for i := range 1000 {
				tabletest.Write(b, t, tabletest.Set(fmt.Sprintf("k%04d", i), "value"))
			}
			for i := 0; b.Loop(); i++ {
				v := t.View()
				_, _, err := v.Get(fmt.Appendf(nil, "k%04d", i%1000))
				if err := errors.Join(err, v.Close()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
