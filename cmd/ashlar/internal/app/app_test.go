package app

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func newApp(t *testing.T, args ...string) (*App, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	a := New(Config{Out: &bytes.Buffer{}, Err: &stderr, Env: func(string) (string, bool) { return "", false }})
	root := &cobra.Command{Use: "ashlar", Run: func(*cobra.Command, []string) {}}
	a.Bind(root)
	if err := root.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if err := a.Settle(root); err != nil {
		t.Fatal(err)
	}
	return a, &stderr
}

func TestEveryKindHasAnExitCode(t *testing.T) {
	failed := map[protocol.Kind]bool{protocol.Internal: true, protocol.Disk: true}
	for k := protocol.Internal; k.String() != fmt.Sprintf("kind-%d", k); k++ {
		code := ExitCode(fmt.Errorf("wrapped: %w", &protocol.Error{Kind: k}))
		if (code == ExitFailed) != failed[k] || code == ExitOK {
			t.Errorf("%s ends with %d", k, code)
		}
	}
}

func TestExitCodesOfOtherErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{&Partial{1, 2}, ExitPartial},
		{os.ErrNotExist, ExitNotFound},
		{context.Canceled, ExitCanceled},
		{fmt.Errorf("other"), ExitFailed},
	} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	a, stderr := newApp(t)
	a.Report(protocol.Errorf(protocol.Full, "disk 1"))
	if got := stderr.String(); !strings.HasPrefix(got, "ashlar: full: disk 1\n        add disks") {
		t.Errorf("got %q", got)
	}
	a, stderr = newApp(t, "-o", "json")
	a.Report(&Partial{1, 3})
	const want = `{"error":{"kind":"partial","detail":"1 of 3 failed","exit_code":10}}` + "\n"
	if got := stderr.String(); got != want {
		t.Errorf("got %q", got)
	}
}

// What cobra refuses is reported before Settle has run.
func TestReportBeforeSettle(t *testing.T) {
	a, stderr := newApp(t)
	a.output = "json"
	a.Report(protocol.Errorf(protocol.InvalidArgument, "no such flag"))
	if got := stderr.String(); !strings.HasPrefix(got, `{"error":{"kind":"invalid-argument"`) {
		t.Errorf("got %q", got)
	}
}

// A port that takes connections and says nothing must not hold the command up.
func TestOpenGivesUpOnSilence(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, _ := newApp(t, "--endpoints", ln.Addr().String(), "--connect-timeout", "100ms")
	if _, err := a.Open(t.Context()); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("got %v", err)
	}
	a.patience = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Open(ctx); ExitCode(err) != ExitCanceled {
		t.Fatalf("got %v", err)
	}
}

func TestLogger(t *testing.T) {
	for _, args := range [][]string{{"--log-level", "loud"}, {"--log-format", "xml"}} {
		a, _ := newApp(t, args...)
		if _, err := a.Logger(0); ExitCode(err) != ExitUsage {
			t.Errorf("%v: got %v", args, err)
		}
	}
	a, stderr := newApp(t, "--log-format", "json", "--log-level", "error")
	log, err := a.Logger(0)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Error("loud")
	if got := stderr.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"msg":"loud"`) {
		t.Errorf("got %q", got)
	}
}

// TestExpect: a command line that was refused before its flags were read is told of
// in the form that it asked for.
func TestExpect(t *testing.T) {
	for line, want := range map[string]bool{
		"status --bogus -o json":        true,
		"status --bogus --output=json":  true,
		"status --bogus --output json":  true,
		"status -ojson --bogus":         true,
		"status --bogus":                false,
		"status --bogus -o":             false,
		"status --bogus -o table":       false,
		"status --bogus -- -o json":     false,
		"put --bogus json docs/-o json": false,
	} {
		a, stderr := newApp(t)
		a.Expect(strings.Fields(line))
		a.Report(protocol.Errorf(protocol.InvalidArgument, "unknown flag"))
		if got := strings.HasPrefix(stderr.String(), "{"); got != want {
			t.Errorf("%s: told %s", line, stderr)
		}
	}
}
