package serve

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestDisks(t *testing.T) {
	got, err := disks([]string{"a", "b=1KiB", "c=d=2GB"})
	want := []store.Dir{{Path: "a"}, {Path: "b", Capacity: 1024}, {Path: "c=d", Capacity: 2_000_000_000}}
	if err != nil || !cmp.Equal(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for _, bad := range [][]string{nil, {""}, {"=1GB"}, {"a=much"}, {"a="}} {
		if got, err := disks(bad); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%q: got %+v, %v", bad, got, err)
		}
	}
}

func TestDevPortsStandTenApart(t *testing.T) {
	f := devFlags{basePort: 9400}
	if got := f.ports(20); !cmp.Equal(got, []string{"127.0.0.1:9420", "127.0.0.1:9421", "127.0.0.1:9422"}) {
		t.Fatalf("got %q", got)
	}
}

// An empty folder may be a disk that is not mounted; a missing one is made.
func TestEmptyFolderIsNotADisk(t *testing.T) {
	empty, used := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "something"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	formatted := t.TempDir()
	if err := os.Mkdir(filepath.Join(formatted, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, refused := range map[string]bool{empty: true, formatted: true, used: false, filepath.Join(empty, "new"): false} {
		err := refuseEmpty([]store.Dir{{Path: path}})
		if (protocol.KindOf(err) == protocol.InvalidArgument) != refused || !refused && err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
