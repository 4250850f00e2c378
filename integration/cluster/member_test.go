package cluster

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestHealedByTwo: faults that befell the same member are healed at once, one by
// starting it, one by starting it again, one by replacing it.
func TestHealedByTwo(t *testing.T) {
	dir := t.TempDir()
	server := filepath.Join(dir, "server")
	if err := os.WriteFile(server, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := &Member{Name: "meta-1", Data: filepath.Join(dir, "data"), dir: dir, binary: server}
	defer m.Kill()
	replace := func() error { return m.Replace("address") }
	for range 30 {
		var healing sync.WaitGroup
		for _, heal := range []func() error{replace, m.Begin, m.Restart, m.Begin} {
			healing.Go(func() {
				if err := heal(); err != nil {
					t.Error(err)
				}
			})
		}
		healing.Wait()
		if !m.Running() {
			t.Fatal("it does not run")
		}
	}
}
