package machines_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-7d21a5b5/ashlar/integration/machines"
)

func TestMain(m *testing.M) { os.Exit(machines.Main(m.Run)) }

func need(t *testing.T) {
	t.Helper()
	if err := machines.Missing(); err != nil {
		t.Skip(err)
	}
}

// TestCuts: what is cut does not arrive, what is not cut does, in each direction
// by itself.
func TestCuts(t *testing.T) {
	need(t)
	n, err := machines.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	m, err := n.Add("m")
	if err != nil {
		t.Fatal(err)
	}
	// Nobody listens there: a machine that is reached refuses at once, one that is
	// cut off says nothing.
	reached := func(within time.Duration) bool {
		c, err := net.DialTimeout("tcp", m.Address+":9", within)
		if err == nil {
			_ = c.Close()
			return true
		}
		timeout, is := err.(net.Error)
		return !is || !timeout.Timeout()
	}
	const patient, short = 30 * time.Second, 300 * time.Millisecond
	for name, step := range map[string]func() error{
		"there":       func() error { return n.Cut(n.Here(), m) },
		"back":        func() error { return n.Cut(m, n.Here()) },
		"both":        func() error { return n.Isolate(m) },
		"all is lost": func() error { return n.Lose(m, 100) },
	} {
		if !reached(patient) {
			t.Fatalf("%s: the machine is not reached before", name)
		}
		if err := step(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if reached(short) {
			t.Errorf("%s: the machine is reached", name)
		}
		if err := n.Heal(); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Slow(m, 1_000_000); err != nil {
		t.Error(err)
	}
	if !reached(patient) {
		t.Error("a slow machine is not reached")
	}
}

// TestDisk: a full disk takes nothing, a freed one does.
func TestDisk(t *testing.T) {
	need(t)
	d, err := machines.NewDisk(filepath.Join(t.TempDir(), "disk"), 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	write := func() error {
		return os.WriteFile(filepath.Join(d.Dir, "file"), make([]byte, 100), 0o600)
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	if write() == nil {
		t.Error("a full disk took a file")
	}
	if err := d.Free(); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Error(err)
	}
}
