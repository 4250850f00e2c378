package metaserver

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/replica"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// goldenIdentity pins the persisted form.
const goldenIdentity = `{
  "format": 1,
  "cluster": "0101010101010101010101010101010a",
  "server": "02020202020202020202020202020203",
  "bootstrap": false,
  "join": [
    "127.0.0.1:7430"
  ],
  "formed": true
}
`

func TestIdentityGolden(t *testing.T) {
	cluster, _ := protocol.ParseID("0101010101010101010101010101010a")
	server, _ := protocol.ParseID("02020202020202020202020202020203")
	id := identity{Format: 1, Cluster: cluster, Server: server, Join: []string{"127.0.0.1:7430"}, Formed: true}
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if _, err := loadIdentity(dir); !errors.Is(err, errNoIdentity) {
		t.Fatalf("a missing folder: %v", err)
	}
	if err := id.save(dir); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err != nil || string(body) != goldenIdentity {
		t.Fatalf("saved %s, %v", body, err)
	}
	got, err := loadIdentity(dir)
	if err != nil || got.Cluster != cluster || got.Server != server || !got.Formed || len(got.Join) != 1 {
		t.Errorf("loaded %+v, %v", got, err)
	}
	if err := os.Remove(filepath.Join(dir, identityFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", filepath.Join(dir, identityFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := loadIdentity(dir); protocol.KindOf(err) != protocol.Corrupt {
		t.Errorf("a link in place of the file: %v", err)
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add([]byte(goldenIdentity))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":1,"cluster":"00","server":""}`))
	f.Add([]byte(`{}{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := parseIdentity(body)
		if err != nil {
			if k := protocol.KindOf(err); k != protocol.Corrupt && k != protocol.Unsupported {
				t.Errorf("kind %v", k)
			}
			return
		}
		if id.Format != identityFormat || id.Cluster.IsZero() || id.Server.IsZero() {
			t.Errorf("accepted %+v", id)
		}
	})
}

// TestRestoreReplacesNothing: a folder of a server is not restored over, and what
// an unfinished restore left is only removed for a backup that is whole.
func TestRestoreReplacesNothing(t *testing.T) {
	dir, torn := t.TempDir(), filepath.Join(t.TempDir(), "torn")
	for _, name := range []string{torn, filepath.Join(dir, "left")} {
		if err := os.WriteFile(name, []byte("ASHS"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id := identity{Format: identityFormat, Cluster: drawID(), Server: drawID(), Bootstrap: true, Formed: true}
	cfg := Config{Dir: dir, RestoreFrom: torn, RestoreGeneration: 2}
	if err := id.save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := settle(t.Context(), cfg); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Errorf("over the folder of a server: %v", err)
	}
	id.Bootstrap, id.Restored = false, true
	if err := id.save(dir); err != nil {
		t.Fatal(err)
	}
	if err := (Config{RestoreGeneration: protocol.MaxGeneration + 1}).generationGiven(); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Errorf("a generation above the limit: %v", err)
	}
	if got, err := settle(t.Context(), cfg); err != nil || got.Server != id.Server {
		t.Errorf("a restored folder starts again as it was: %v", err)
	}
	s := &Server{cfg: cfg, identity: id}
	if err := s.restore(replica.Config{Dir: dir}); protocol.KindOf(err) != protocol.Corrupt {
		t.Errorf("from a torn file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "left")); err != nil {
		t.Errorf("a torn file took what was there: %v", err)
	}
}
