package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed-7d21a5b5/ashlar/cmd/ashlar/internal/tree"
)

// writeRandom: random FILE BYTES SEED.
func writeRandom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: random FILE BYTES SEED")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	var seed [32]byte
	copy(seed[:], args[2])
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = io.CopyN(f, rand.NewChaCha8(seed), size)
	ts.Check(errors.Join(err, f.Close()))
}

// exits: exits CODE PROGRAM ARGS... runs a program that must end with the code
// and print TEXT on standard error if a first argument is stderr=TEXT.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE [stderr=TEXT] PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	text, checked := strings.CutPrefix(args[1], "stderr=")
	if checked {
		args = args[1:]
	}
	err = ts.Exec(args[1], args[2:]...)
	var failed *exec.ExitError
	got := 0
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code is %d, not %d", got, want)
	}
	if stderr := ts.ReadFile("stderr"); checked && !strings.Contains(stderr, text) {
		ts.Fatalf("standard error has no %q", text)
	}
}

// applyPlanned: apply CHANGES... plans changes of layout and applies them at the
// version that the plan printed.
func applyPlanned(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: apply CHANGES...")
	}
	plan := slices.Clone(args)
	if at := slices.Index(plan, "--reason"); at >= 0 {
		plan = slices.Delete(plan, at, at+2)
	}
	ts.Check(ts.Exec("ashlar", append([]string{"layout", "plan", "-o", "json"}, plan...)...))
	var printed struct {
		LayoutVersion uint64 `json:"layout_version"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &printed))
	ts.Check(ts.Exec("ashlar", append([]string{"layout", "apply", "--if-version", strconv.FormatUint(printed.LayoutVersion, 10)}, args...)...))
}

// waitFor: waitfor TEXT PROGRAM ARGS... runs a program until it succeeds and its
// standard output has the text.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor TEXT PROGRAM ARGS...")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err := ts.Exec(args[1], args[2:]...); err == nil && strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%q did not come about", args[0])
		}
	}
}

// sameTree: sametree A B compares contents, modes, times and links.
func sameTree(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sametree A B")
	}
	const limit = 20
	differences, err := tree.Compare(context.Background(), ts.MkAbs(args[0]), ts.MkAbs(args[1]), limit)
	ts.Check(err)
	if neg == (len(differences) == 0) {
		ts.Fatalf("differences: %s", strings.Join(differences, "\n"))
	}
	if neg {
		return
	}
	out, err := exec.Command("diff", "-r", "--no-dereference", ts.MkAbs(args[0]), ts.MkAbs(args[1])).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		ts.Fatalf("diff -r: %v\n%s", err, out)
	}
}

// makeFIFO: fifo NAME.
func makeFIFO(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fifo NAME")
	}
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
}
