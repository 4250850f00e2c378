package tree

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func saveText(path, text string) error {
	return Save(path, Item{}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

func TestSaveReplacesFilesOnly(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "new", "file")
	for _, text := range []string{"one", "two"} {
		must(t, saveText(file, text))
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if err := saveText(dir, "x"); err == nil {
		t.Fatal("a folder was replaced")
	}
}

// A pipe, as /dev/null and /dev/stdout, is written to and stays what it is.
func TestSaveWritesIntoWhatIsNoFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	link := pipe + "-link"
	must(t, os.Symlink(pipe, link))
	for _, path := range []string{pipe, link} {
		read := make(chan string, 1)
		go func() {
			text, _ := os.ReadFile(pipe)
			read <- string(text)
		}()
		must(t, saveText(path, "through"))
		if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
			t.Fatalf("the pipe is %v now, %v", info.Mode(), err)
		}
		if got := <-read; got != "through" {
			t.Errorf("%s: the reader got %q", path, got)
		}
	}
}
