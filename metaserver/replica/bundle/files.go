package bundle

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteFile replaces dir/name durably and at once.
func WriteFile(dir, name string, b []byte) error {
	temp := filepath.Join(dir, name+".tmp")
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return err
	}
	file, err := os.Open(temp)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes a folder's names durable.
func SyncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
