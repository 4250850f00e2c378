package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func run(t *testing.T, args ...string) error {
	t.Helper()
	cmd := Command(app.New(app.Config{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Env: func(string) (string, bool) { return "", false }}))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return cmd.ExecuteContext(t.Context())
}

// TestStartGenerationIsAgreedTo: without --yes it says what it means and asks
// nobody.
func TestStartGenerationIsAgreedTo(t *testing.T) {
	err := run(t, "start-generation", "--admin", "127.0.0.1:1")
	if protocol.KindOf(err) != protocol.InvalidArgument || !strings.Contains(err.Error(), "nothing was done") || !strings.Contains(err.Error(), "cannot be") {
		t.Errorf("without --yes: %v", err)
	}
	if err := run(t, "start-generation", "--yes", "--admin", "127.0.0.1:1"); protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("with --yes, and nobody there: %v", err)
	}
}

// TestBackupOverwritesNothing: a file that exists is refused, and none is left by a
// backup that failed.
func TestBackupOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "backup")
	if err := run(t, "backup", path, "--admin", "127.0.0.1:1"); protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("nobody there: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t, "backup", path, "--admin", "127.0.0.1:1"); protocol.KindOf(err) != protocol.InvalidArgument {
		t.Errorf("a file that exists: %v", err)
	}
}
