package machines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Disk is a small file system in memory.
type Disk struct {
	// Dir is where it is mounted.
	Dir string
}

// ballast fills a disk.
const ballast = "ballast"

// NewDisk mounts a disk of that many bytes at dir, which is made.
func NewDisk(dir string, size int64) (*Disk, error) {
	if errMissing != nil {
		return nil, fmt.Errorf("no disks: %w", errMissing)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	return &Disk{Dir: dir}, command(fmt.Sprintf("mount -t tmpfs -o size=%d none %s", size, dir))
}

// Fill writes until not a byte is left.
func (d *Disk) Fill() error {
	f, err := os.OpenFile(filepath.Join(d.Dir, ballast), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		_, err := f.Write(chunk)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			chunk = chunk[:len(chunk)/2]
		case err != nil:
			return err
		}
	}
	return nil
}

// Free takes back what Fill wrote.
func (d *Disk) Free() error {
	err := os.Remove(filepath.Join(d.Dir, ballast))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Close unmounts the disk and leaves its content, without the ballast, as plain files
// in its place: who looks for the cause of a failure needs every server's data.
func (d *Disk) Close() error {
	kept := d.Dir + ".kept"
	return errors.Join(
		d.Free(),
		command(fmt.Sprintf("cp -a %s %s", d.Dir, kept)),
		command("umount "+d.Dir),
		os.Remove(d.Dir),
		os.Rename(kept, d.Dir),
	)
}
