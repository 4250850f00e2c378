package integration_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/client"
	"github.com/seed-7d21a5b5/ashlar/integration/cluster"
)

const (
	// mostMemory is what the command may take for a file of any size.
	mostMemory = 200 << 20
	// bigFile is the size of the file; ASHLAR_BIG_FILE_MIB sets another.
	bigFileMiB = 256
)

// TestBigFile: a file much larger than the command's memory goes in and comes
// back the same, and a small range of it reads no more blocks than it touches.
func TestBigFile(t *testing.T) {
	size := int64(bigFileMiB) << 20
	if s := os.Getenv("ASHLAR_BIG_FILE_MIB"); s != "" {
		mib, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		size = mib << 20
	}
	seed := rand.Uint64()
	t.Logf("%d bytes, seed %d", size, seed)
	c, ctx := start(t, cluster.Config{})
	source := filepath.Join(t.TempDir(), "big")
	want := writeNoise(t, source, seed, size)

	put := c.Command(ctx, "put", source, "big/file")
	if text, err := put.CombinedOutput(); err != nil {
		t.Fatalf("put: %v: %s", err, text)
	}
	back := filepath.Join(t.TempDir(), "back")
	get := c.Command(ctx, "get", "big/file", back)
	if text, err := get.CombinedOutput(); err != nil {
		t.Fatalf("get: %v: %s", err, text)
	}
	if got := sumOf(t, back); got != want {
		t.Errorf("sha256 %x came back as %x", want, got)
	}
	for name, state := range map[string]*os.ProcessState{"put": put.ProcessState, "get": get.ProcessState} {
		peak := state.SysUsage().(*syscall.Rusage).Maxrss << 10
		t.Logf("%s: peak memory %d MiB", name, peak>>20)
		if peak > mostMemory {
			t.Errorf("%s took %d MiB, over %d", name, peak>>20, mostMemory>>20)
		}
	}
	sdk, err := c.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sdk.Close() }()
	offset := size/2 + 4711
	r, err := sdk.Get(ctx, "big", "file", client.WithRange(offset, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(r)
	if err != nil || !bytes.Equal(got, sectionOf(t, source, offset, 1<<20)) {
		t.Fatalf("the range came back as %d bytes, error %v", len(got), err)
	}
	if n := r.Stats().BlocksFetched; n > 2 {
		t.Errorf("a range of 1 MiB fetched %d blocks", n)
	}
}

// writeNoise fills a file with bytes that do not shrink and returns their sum.
func writeNoise(t *testing.T, path string, seed uint64, size int64) (sum [sha256.Size]byte) {
	t.Helper()
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8(key), size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func sumOf(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func sectionOf(t *testing.T, path string, offset, length int64) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	out := make([]byte, length)
	if _, err := f.ReadAt(out, offset); err != nil {
		t.Fatal(err)
	}
	return out
}
