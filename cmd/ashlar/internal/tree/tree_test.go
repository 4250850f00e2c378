package tree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	when := time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC)
	must(t, os.MkdirAll(filepath.Join(dir, "sub/deep"), 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("aa"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "sub/deep/run"), []byte("#!"), 0o755))
	must(t, os.Chmod(filepath.Join(dir, "sub/deep/run"), 0o755))
	must(t, os.Chtimes(filepath.Join(dir, "a"), when, when))
	must(t, os.Symlink("../a", filepath.Join(dir, "sub/link")))
	must(t, os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	must(t, os.Chmod(filepath.Join(dir, "sub"), 0o500))
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "sub"), 0o755) })
	return dir
}

func walkAll(t *testing.T, dir string) []Item {
	t.Helper()
	var items []Item
	must(t, Walk(context.Background(), dir, func(it Item) error {
		items = append(items, it)
		return nil
	}, func(path string, err error) { t.Errorf("skipped %s: %v", path, err) }))
	return items
}

func TestThereAndBack(t *testing.T) {
	from, to := makeTree(t), filepath.Join(t.TempDir(), "new", "place")
	target, err := OpenTarget(to)
	must(t, err)
	items := walkAll(t, from)
	for _, it := range items {
		back, err := FromObject(it.Name(), it.Size, it.Metadata())
		must(t, err)
		switch back.Type {
		case fs.ModeDir:
			must(t, target.Folder(back))
		case fs.ModeSymlink:
			back.Target = it.Target
			must(t, target.Link(back))
		default:
			must(t, target.File(back, func(w io.Writer) error {
				text, err := os.ReadFile(filepath.Join(from, it.Path))
				must(t, err)
				_, err = w.Write(text)
				return err
			}))
		}
	}
	must(t, target.Close())
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(to, "sub"), 0o755) })
	same := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	ignoreFolders := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Modified" }, same)
	got := walkAll(t, to)
	for i := range got {
		if got[i].Type != 0 && i < len(items) {
			got[i].Modified = items[i].Modified
		}
	}
	if d := cmp.Diff(items, got, ignoreFolders); d != "" {
		t.Fatal(d)
	}
}

func TestWalkSkipsWhatItCannotKeep(t *testing.T) {
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	var skipped []string
	must(t, Walk(context.Background(), dir, func(it Item) error {
		t.Errorf("visited %s", it.Path)
		return nil
	}, func(path string, _ error) { skipped = append(skipped, path) }))
	if !cmp.Equal(skipped, []string{"pipe"}) {
		t.Fatalf("skipped %q", skipped)
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("old"), 0o644))
	target, err := OpenTarget(dir)
	must(t, err)
	broken := errors.New("broken")
	err = target.File(Item{Path: "a"}, func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return broken
	})
	must(t, target.Close())
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "a"))
	must(t, err)
	entries, err := os.ReadDir(dir)
	must(t, err)
	if string(text) != "old" || len(entries) != 1 {
		t.Fatalf("left %q and %d names", text, len(entries))
	}
}

func TestWritingStaysBelowTheTarget(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(dir, "way-out")))
	target, err := OpenTarget(dir)
	must(t, err)
	err = target.File(Item{Path: "way-out/x"}, func(io.Writer) error { return nil })
	must(t, target.Close())
	entries, readErr := os.ReadDir(outside)
	must(t, readErr)
	if err == nil || len(entries) != 0 {
		t.Fatalf("wrote through a link: %v, %d names", err, len(entries))
	}
}

func TestNamesThatAreNoPaths(t *testing.T) {
	for _, name := range []string{"", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", ".", "..", "a/"} {
		if it, err := FromObject(name, 0, nil); !errors.Is(err, &protocol.Error{Kind: protocol.InvalidArgument}) {
			t.Errorf("%q: got %+v, %v", name, it, err)
		}
	}
	for _, meta := range []map[string]string{{KeyMode: "9"}, {KeyMode: "7777"}, {KeyModified: "soon"}, {KeyType: "device"}} {
		if _, err := FromObject("a", 0, meta); err == nil {
			t.Errorf("accepted %v", meta)
		}
	}
}

func FuzzFromObject(f *testing.F) {
	f.Add("a/b", "0644", "2020-01-02T03:04:05Z", "")
	f.Add("../a", "", "", "symlink")
	f.Add("d/", "0755", "", "directory")
	f.Fuzz(func(t *testing.T, name, mode, mtime, kind string) {
		it, err := FromObject(name, 1, map[string]string{KeyMode: mode, KeyModified: mtime, KeyType: kind})
		if err != nil {
			return
		}
		if !filepath.IsLocal(filepath.FromSlash(it.Path)) || it.Name() != name || it.Mode&^0o777 != 0 {
			t.Fatalf("accepted %q as %+v", name, it)
		}
	})
}

func TestCompareSeesEveryDifference(t *testing.T) {
	a := makeTree(t)
	for what, change := range map[string]func(dir string) error{
		"":            func(string) error { return nil },
		"other bytes": func(d string) error { return os.WriteFile(filepath.Join(d, "a"), []byte("bb"), 0o644) },
		"mode":        func(d string) error { return os.Chmod(filepath.Join(d, "a"), 0o600) },
		"only in":     func(d string) error { return os.Remove(filepath.Join(d, "empty")) },
		"links to": func(d string) error {
			must(t, os.Remove(filepath.Join(d, "dangling")))
			return os.Symlink("x", filepath.Join(d, "dangling"))
		},
		"is L": func(d string) error {
			must(t, os.Remove(filepath.Join(d, "dangling")))
			return os.WriteFile(filepath.Join(d, "dangling"), nil, 0o644)
		},
		"bytes and 3": func(d string) error { return os.WriteFile(filepath.Join(d, "a"), []byte("aaa"), 0o644) },
		"only in ":    func(d string) error { return os.WriteFile(filepath.Join(d, "new"), nil, 0o644) },
	} {
		b := t.TempDir()
		must(t, os.CopyFS(b, os.DirFS(a)))
		for _, it := range walkAll(t, a) {
			if it.Type == 0 {
				must(t, os.Chtimes(filepath.Join(b, it.Path), it.Modified, it.Modified))
				must(t, os.Chmod(filepath.Join(b, it.Path), it.Mode))
			}
		}
		must(t, os.Chmod(filepath.Join(b, "sub"), 0o500))
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(b, "sub"), 0o755) })
		must(t, change(b))
		if what == "other bytes" || what == "bytes and 3" {
			info, err := os.Stat(filepath.Join(a, "a"))
			must(t, err)
			must(t, os.Chtimes(filepath.Join(b, "a"), info.ModTime(), info.ModTime()))
		}
		found, err := Compare(context.Background(), a, b, 10)
		must(t, err)
		if what == "" && len(found) != 0 || what != "" && (len(found) != 1 || !strings.Contains(found[0], what)) {
			t.Errorf("%s: found %q", what, found)
		}
	}
}
