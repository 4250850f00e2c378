package audit

import (
	"io"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/app"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestEmptyFilter: a filter that is given and empty, as from a variable that is not
// set, is a mistake and not a wish for everything.
func TestEmptyFilter(t *testing.T) {
	for _, flag := range []string{"--object", "--hash", "--since"} {
		cmd := Command(app.New(app.Config{Out: io.Discard, Err: io.Discard, Env: func(string) (string, bool) { return "", false }}))
		cmd.SetArgs([]string{flag, ""})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); protocol.KindOf(err) != protocol.InvalidArgument {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
