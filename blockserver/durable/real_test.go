package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/durable"
	"github.com/seed-7d21a5b5/ashlar/blockserver/durable/crashfs"
)

func openReal(t *testing.T) (durable.FS, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := durable.MakeRoot(dir); err != nil {
		t.Fatal(err)
	}
	f, err := durable.OpenReal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, dir
}

// TestContract runs what FS promises, on both implementations.
func TestContract(t *testing.T) {
	t.Run("real", func(t *testing.T) { f, _ := openReal(t); contract(t, f) })
	t.Run("crashfs", func(t *testing.T) { contract(t, crashfs.New(crashfs.Config{})) })
}

func contract(t *testing.T, f durable.FS) {
	is := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	_, err := f.Open("none")
	is(err, fs.ErrNotExist)
	_, err = f.Create("none/x")
	is(err, fs.ErrNotExist)
	is(f.Remove("none"), fs.ErrNotExist)
	is(f.SyncDir("none"), fs.ErrNotExist)
	is(f.Mkdir("dir"), nil)
	is(f.Mkdir("dir"), fs.ErrExist)
	_, err = f.Open("dir")
	if err == nil || durable.IsAbsent(err) {
		t.Errorf("a directory opens as a file: %v", err)
	}
	is(durable.Write(f, "dir/x", []byte("hello "), []byte("world")), nil)
	_, err = f.Create("dir/x")
	is(err, fs.ErrExist)
	content, err := durable.Read(f, "dir/x", 100)
	if err != nil || string(content) != "hello world" {
		t.Errorf("read %q, %v", content, err)
	}
	_, err = durable.Read(f, "dir/x", 10)
	is(err, syscall.EFBIG)
	is(f.Rename("dir/x", "y"), nil)
	is(f.Rename("dir/x", "y"), fs.ErrNotExist)
	is(durable.Replace(f, "y", "dir/tmp", []byte("new")), nil)
	is(f.SyncAll(), nil)
	entries, err := f.ReadDir(".")
	if err != nil || len(entries) != 2 || entries[0].Name != "dir" || !entries[0].Type.IsDir() || entries[1].Name != "y" {
		t.Errorf("entries %v, %v", entries, err)
	}
	e, err := f.Stat("y")
	if err != nil || e.Size != 3 || !e.Type.IsRegular() || e.Name != "y" {
		t.Errorf("stat %+v, %v", e, err)
	}
	space, err := f.Space()
	if err != nil || space.Free == 0 || space.Free > space.Total {
		t.Errorf("space %+v, %v", space, err)
	}
	inPlace(t, f)
	names(t, f)
	locks(t, f)
}

// inPlace changes a file under its name, and reads it through an older handle.
func inPlace(t *testing.T, f durable.FS) {
	old, err := f.Open("y")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	file, err := f.OpenUpdate("y")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte("EW"), 1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Datasync(), file.Sync(), f.Remove("y")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := old.ReadAt(got, 0); err != nil || !bytes.Equal(got, []byte("nEW")) {
		t.Errorf("read %q, %v", got, err)
	}
	if size, err := old.Size(); err != nil || size != 3 {
		t.Errorf("size %d, %v", size, err)
	}
	if _, err := old.WriteAt([]byte("x"), 0); err == nil {
		t.Error("a file opened for reading was written")
	}
}

// names are those that must not reach the system.
func names(t *testing.T, f durable.FS) {
	for _, name := range []string{"", ".", "/etc/passwd", "../x", "dir/../../x", "dir//x", "dir/", "./x"} {
		_, err := f.Create(name)
		if _, err2 := f.Open(name); err == nil || err2 == nil {
			t.Errorf("%q: %v, %v", name, err, err2)
		}
		if f.Remove(name) == nil || f.Rename("dir", name) == nil || f.Mkdir(name) == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

func locks(t *testing.T, f durable.FS) {
	held, err := f.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	if second, err := f.Lock("lock"); err == nil {
		t.Errorf("a second owner: %v", second)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := f.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestStaysBelowItsRoot plants links, a pipe and a socket's like, and expects
// that none is followed, opened or waited for.
func TestStaysBelowItsRoot(t *testing.T) {
	f, dir := openReal(t)
	outside := filepath.Join(filepath.Dir(dir), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Symlink(outside, filepath.Join(dir, "absolute")),
		os.Symlink("../secret", filepath.Join(dir, "relative")),
		os.Symlink("..", filepath.Join(dir, "up")),
		durable.Write(f, "inside", []byte("x")),
		os.Symlink("inside", filepath.Join(dir, "within")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"absolute", "relative", "up/secret", "within", "pipe"} {
		if _, err := f.Open(name); err == nil || durable.IsAbsent(err) {
			t.Errorf("open %s: %v", name, err)
		}
		if _, err := f.OpenUpdate(name); err == nil || durable.IsAbsent(err) {
			t.Errorf("update %s: %v", name, err)
		}
		if name != "up/secret" {
			if _, err := f.Create(name); !errors.Is(err, fs.ErrExist) {
				t.Errorf("create %s: %v", name, err)
			}
			if e, err := f.Stat(name); err != nil || e.Type.IsRegular() {
				t.Errorf("stat %s: %+v, %v", name, e, err)
			}
		}
	}
	if _, err := f.ReadDir("up"); err == nil {
		t.Error("a link was listed")
	}
	if err := f.Remove("relative"); err != nil {
		t.Errorf("a link cannot be removed: %v", err)
	}
	if content, err := os.ReadFile(outside); err != nil || string(content) != "secret" {
		t.Errorf("outside is %q, %v", content, err)
	}
}

func TestMakeRoot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.MakeRoot(file); err == nil {
		t.Error("a file became a folder")
	}
	if err := durable.MakeRoot(filepath.Join(file, "x")); err == nil {
		t.Error("a folder was made below a file")
	}
	if err := durable.MakeRoot(filepath.Dir(file)); err != nil {
		t.Errorf("a folder that exists: %v", err)
	}
	if _, err := durable.OpenReal(filepath.Join(filepath.Dir(file), "none")); !durable.IsAbsent(err) {
		t.Errorf("an absent root: %v", err)
	}
}

func TestErrorsOfTheSystem(t *testing.T) {
	for err, want := range map[error][2]bool{
		syscall.ENOENT:  {true, false},
		syscall.ENOSPC:  {false, true},
		syscall.EDQUOT:  {false, true},
		syscall.EIO:     {false, false},
		syscall.ENOTDIR: {false, false},
		syscall.ELOOP:   {false, false},
	} {
		err = &fs.PathError{Op: "x", Path: "y", Err: err}
		if durable.IsAbsent(err) != want[0] || durable.IsFull(err) != want[1] {
			t.Errorf("%v: absent %v, full %v", err, durable.IsAbsent(err), durable.IsFull(err))
		}
	}
}
