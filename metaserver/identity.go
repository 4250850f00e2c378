package metaserver

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// identityFile is the name of the identity in the data folder; its content is the
// JSON of identity, one object.
const identityFile = "ashlar-meta.json"

// identityFormat is the only format so far.
const identityFormat = 1

// maxIdentity bounds the file, in bytes.
const maxIdentity = 64 << 10

// identity says who owns a data folder.
type identity struct {
	Format int `json:"format"`
	// Cluster and Server are 128 random bits each. A server id belongs to one
	// folder for ever: a wiped folder draws another.
	Cluster protocol.ID `json:"cluster"`
	Server  protocol.ID `json:"server"`
	// Bootstrap tells how the folder began; otherwise it joined at one of Join.
	Bootstrap bool     `json:"bootstrap"`
	Join      []string `json:"join,omitempty"`
	// Restored tells that the folder began from a backup.
	Restored bool `json:"restored,omitempty"`
	// Formed tells that beginning is complete. From then on an empty log is a loss.
	Formed bool `json:"formed"`
}

// errNoIdentity says that a folder has not been used yet.
var errNoIdentity = errors.New("no identity")

// loadIdentity reads the folder's identity; errNoIdentity if the folder is empty
// or missing. Files without an identity, or one that does not read well, are
// refused: they are not an empty folder.
func loadIdentity(dir string) (identity, error) {
	path := filepath.Join(dir, identityFile)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, checkUnused(dir)
	}
	if err != nil {
		return identity{}, protocol.Errorf(protocol.Disk, "identity: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxIdentity {
		return identity{}, protocol.Errorf(protocol.Corrupt, "%s is no identity file", path)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return identity{}, protocol.Errorf(protocol.Disk, "identity: %w", err)
	}
	return parseIdentity(body)
}

// parseIdentity reads exactly one identity of a known format.
func parseIdentity(body []byte) (id identity, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&id); err != nil || d.More() {
		return identity{}, protocol.Errorf(protocol.Corrupt, "%s does not read well (%v); restore it, or start on an empty folder as a new server", identityFile, err)
	}
	if id.Format != identityFormat {
		return identity{}, protocol.Errorf(protocol.Unsupported, "%s has format %d; this build knows %d", identityFile, id.Format, identityFormat)
	}
	if id.Cluster.IsZero() || id.Server.IsZero() {
		return identity{}, protocol.Errorf(protocol.Corrupt, "%s lacks an id", identityFile)
	}
	return id, nil
}

// checkUnused returns errNoIdentity if dir is missing or holds nothing of ours.
func checkUnused(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return protocol.Errorf(protocol.Disk, "data folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" && e.Name() != identityFile+".tmp" {
			return protocol.Errorf(protocol.Corrupt, "%s holds %s but no %s: it is not an empty folder, and nobody's", dir, protocol.Quote(e.Name()), identityFile)
		}
	}
	return errNoIdentity
}

// save writes the identity durably: a temporary file, synced, renamed, and the
// folder synced.
func (id identity) save(dir string) error {
	if err := makeFolder(dir); err != nil {
		return protocol.Errorf(protocol.Disk, "data folder: %w", err)
	}
	body, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return protocol.Errorf(protocol.Internal, "identity: %w", err)
	}
	tmp := filepath.Join(dir, identityFile+".tmp")
	if err := writeSynced(tmp, append(body, '\n')); err != nil {
		return protocol.Errorf(protocol.Disk, "identity: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, identityFile)); err != nil {
		return protocol.Errorf(protocol.Disk, "identity: %w", err)
	}
	if err := syncFolder(dir); err != nil {
		return protocol.Errorf(protocol.Disk, "identity: %w", err)
	}
	return nil
}

// makeFolder creates dir with its parents, and makes its own name durable.
func makeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(filepath.Clean(dir)))
}

func writeSynced(path string, body []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// drawID returns 128 random bits.
func drawID() (id protocol.ID) {
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails: it ends the process instead
	return id
}
