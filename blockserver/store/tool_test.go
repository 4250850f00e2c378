package store_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store"
	"github.com/seed-7d21a5b5/ashlar/blockserver/store/storetest"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestZstdToolReadsStore has the real tool read files of a real store, stored
// from plain and compressed bodies, before and after a touch.
func TestZstdToolReadsStore(t *testing.T) {
	if _, err := exec.LookPath("zstd"); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("ASHLAR_CI") != "" {
			t.Fatal("the zstd tool is missing, and CI has to have it")
		}
		t.Skip("the zstd tool is not installed")
	}
	dir := t.TempDir()
	s, err := store.Open(store.Config{Dirs: []store.Dir{{Path: dir}}})
	if err == nil {
		err = s.Adopt(storetest.Cluster, storetest.Node, 1, []uint32{0})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, plain := range [][]byte{storetest.Text(1, 100_000), storetest.Random(2, 300_000), {}} {
		r := store.PutRequest{Hash: protocol.HashOf(plain), Version: version(1), Body: plain, PlainSize: -1}
		if i == 1 {
			r.Body, r.Zstd = storetest.Zstd(t, plain, zstd.WithEncoderLevel(zstd.SpeedBestCompression)), true
		}
		if _, err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		digits := r.Hash.String()
		file := filepath.Join(dir, "data", digits[:2], digits[2:4], digits)
		for counter := range uint64(3) {
			if out, err := exec.Command("zstd", "-t", file).CombinedOutput(); err != nil {
				t.Fatalf("zstd -t: %v, %s", err, out)
			}
			if out, err := exec.Command("zstdcat", file).Output(); err != nil || !bytes.Equal(out, plain) {
				t.Fatalf("zstdcat: %d bytes, %v", len(out), err)
			}
			if _, err := s.Touch(t.Context(), r.Hash, version(5+counter)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
