package store_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
)

// TestFullTmpfs fills a real file system of 4 MiB, to its marks and to its brim:
// refusals are typed, deletes work, and then there is room again.
func TestFullTmpfs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a file system takes root")
	}
	for name, marks := range map[string]store.Marks{"marks": {High: 90, Low: 60, Reserve: 5}, "brim": {}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,nr_inodes=4k"); err != nil {
				t.Skipf("mount: %v", err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(dir, 0); err != nil {
					t.Error(err)
				}
			})
			f := fill(t, store.Config{Dirs: []store.Dir{{Path: filepath.Join(dir, "disk")}}, Marks: marks}, 50_000)
			if n := f.until(false); n < 50 || n > 80 {
				t.Fatalf("%d blocks of 50 kB went into 4 MiB", n)
			}
			if name == "brim" {
				// Nothing at all is left.
				if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 4<<20), 0o600); err == nil {
					t.Fatal("the file system is not full")
				}
			}
			held := len(f.held)
			f.free(held - 10)
			if d := f.store.Disks()[0]; d.Failure != nil || d.Blocks != 10 || d.Full {
				t.Fatalf("after the deletes: %+v", d)
			}
			for range 10 {
				if f.put(false) != 0 {
					t.Fatal("a disk with room refuses a block")
				}
			}
		})
	}
}
