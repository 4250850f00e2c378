package tree

import (
	"io"
	"os"
	"path/filepath"
)

// Save writes one file at path, as Target.File does; it.Path is taken from path.
// What stands there already and is no regular file (a pipe, /dev/null) is written
// to and stays what it is.
func Save(path string, it Item, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return writeInto(path, write)
	}
	target, err := OpenTarget(filepath.Dir(path))
	if err != nil {
		return err
	}
	it.Path = filepath.Base(path)
	err = target.File(it, write)
	if closed := target.Close(); err == nil {
		err = closed
	}
	return err
}

func writeInto(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
