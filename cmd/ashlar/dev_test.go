package main

import (
	"bufio"
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// command is this test's binary as ashlar itself (TestMain).
func command(t *testing.T, dir, endpoint string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Args[0] = "ashlar"
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ASHLAR_ENDPOINTS="+endpoint, "HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return cmd
}

// startDev runs `ashlar dev` in dir until it has printed until, and returns what
// it printed so far and how to end it.
func startDev(t *testing.T, dir, until string, args ...string) (printed string, end func(syscall.Signal) string) {
	t.Helper()
	cmd := command(t, dir, "", append([]string{"dev"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		printed += lines.Text() + "\n"
		if strings.Contains(lines.Text(), until) {
			break
		}
	}
	if !strings.Contains(printed, until) {
		t.Fatalf("dev ended early: %v\n%s%s", cmd.Wait(), printed, stderr.String())
	}
	return printed, func(signal syscall.Signal) string {
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("dev did not end well: %v\n%s", err, stderr.String())
		}
		return stderr.String()
	}
}

// dev comes up, stops cleanly on a signal, and goes on where it was.
func TestDevStopsAndResumes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster twice")
	}
	base, err := freeBase()
	if err != nil {
		t.Fatal(err)
	}
	dir, endpoint := t.TempDir(), "127.0.0.1:"+strconv.Itoa(base)
	content := bytes.Repeat([]byte("some bytes "), 200_000)
	if err := os.WriteFile(filepath.Join(dir, "file"), content, 0o644); err != nil {
		t.Fatal(err)
	}

	printed, end := startDev(t, dir, "stops the cluster", "--base-port", strconv.Itoa(base))
	for _, want := range []string{endpoint, "ashlar put FILE docs/first", "127.0.0.1:" + strconv.Itoa(base+32)} {
		if !strings.Contains(printed, want) {
			t.Errorf("dev did not print %q:\n%s", want, printed)
		}
	}
	if out, err := command(t, dir, endpoint, "put", "file", "docs/file").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if stderr := end(syscall.SIGINT); !strings.HasPrefix(stderr, "stopping;") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("dev complained:\n%s", stderr)
	}

	_, end = startDev(t, dir, `"endpoints":["`+endpoint, "--base-port", strconv.Itoa(base), "-o", "json")
	out, err := command(t, dir, endpoint, "get", "docs/file", "-").Output()
	if err != nil || !bytes.Equal(out, content) {
		t.Errorf("after a restart: %v, %d of %d bytes", err, len(out), len(content))
	}
	end(syscall.SIGTERM)
}

// freeBase finds a base port for dev: its twelve ports were free a moment ago.
func freeBase() (int, error) {
	const attempts = 100
	for range attempts {
		base := 20000 + rand.IntN(10000)
		if allFree(base) {
			return base, nil
		}
	}
	return 0, errors.New("no free ports")
}

func allFree(base int) bool {
	for _, offset := range []int{0, 10, 20, 30} {
		for i := range 3 {
			ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(base+offset+i))
			if err != nil {
				return false
			}
			defer ln.Close()
		}
	}
	return true
}
