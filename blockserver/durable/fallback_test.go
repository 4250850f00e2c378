package durable

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOpenByRoot tests the way that opens files where the system has no openat2.
func TestOpenByRoot(t *testing.T) {
	dir := t.TempDir()
	f, err := OpenReal(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := f.(*real)
	file, err := r.openByRoot("x", os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"within": "x", "without": "/etc/passwd", "up": ".."} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.openByRoot(name, os.O_RDONLY); err == nil {
			t.Errorf("the link %s was followed", name)
		}
	}
	if _, err := r.openByRoot("none", os.O_RDONLY); !IsAbsent(err) {
		t.Errorf("an absent file: %v", err)
	}
	if _, err := r.openDirByRoot("x"); err == nil {
		t.Error("a file opened as a directory")
	}
	d, err := r.openDirByRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if entries, err := d.ReadDir(-1); err != nil || len(entries) != 4 {
		t.Errorf("entries %v, %v", entries, err)
	}
}
