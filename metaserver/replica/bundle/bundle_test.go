package bundle

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

var header = Header{Cluster: protocol.ID{1, 15: 2}, Index: 10, Term: 3, StateIndex: 9, StateTerm: 2}

func take(Header) error { return nil }

// folder makes a folder of files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func stream(t testing.TB, files map[string]string) []byte {
	t.Helper()
	dir := folder(t, files)
	var b bytes.Buffer
	if err := Write(&b, dir, header); err != nil {
		t.Fatal(err)
	}
	if size, err := Size(dir); err != nil || size != int64(b.Len()) {
		t.Fatalf("%d bytes, announced as %d, %v", b.Len(), size, err)
	}
	return b.Bytes()
}

func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func TestThereAndBack(t *testing.T) {
	random := make([]byte, 700<<10)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for name, files := range map[string]map[string]string{
		"nothing":    {},
		"empty file": {"a": ""},
		"several":    {"MANIFEST-000001": "m", "000004.sst": string(random), "OPTIONS-000003": "o", "marker.format-version.000001.016": ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			h, err := Read(bytes.NewReader(stream(t, files)), dir, take)
			if err != nil {
				t.Fatal(err)
			}
			h.files = 0
			if h != header {
				t.Fatalf("%+v", h)
			}
			got := contents(t, dir)
			if len(got) != len(files) {
				t.Fatalf("%d files of %d", len(got), len(files))
			}
			for name, want := range files {
				if got[name] != want {
					t.Fatalf("%s differs", name)
				}
			}
		})
	}
}

func TestHeaderBytes(t *testing.T) {
	h := header
	h.files = 7
	want := "41534853" + "0001" + "0000" + "01000000000000000000000000000002" +
		"000000000000000a" + "0000000000000003" + "0000000000000009" + "0000000000000002" + "00000007"
	got := h.append(nil)
	if len(got) != HeaderSize || !strings.HasPrefix(hex.EncodeToString(got), want) {
		t.Fatalf("%x", got)
	}
	if back, err := ReadHeader(bytes.NewReader(got)); err != nil || back != h {
		t.Fatalf("%+v, %v", back, err)
	}
}

// The whole stream of one small file, so that no byte of the layout can move.
func TestStreamBytes(t *testing.T) {
	got := hex.EncodeToString(stream(t, map[string]string{"a.sst": "bytes"}))
	golden := filepath.Join("testdata", "stream.hex")
	b, err := os.ReadFile(golden)
	if errors.Is(err, os.ErrNotExist) && os.Getenv("ASHLAR_GOLDEN") != "" {
		_ = os.MkdirAll("testdata", 0o755)
		err = os.WriteFile(golden, []byte(got+"\n"), 0o644)
		b = []byte(got)
	}
	if err != nil || strings.TrimSpace(string(b)) != got {
		t.Fatalf("%v\n%s", err, got)
	}
}

// A bit of every byte of the stream is flipped, another one in the next byte.
func TestEveryFlippedBitIsFound(t *testing.T) {
	good := stream(t, map[string]string{"a": "some bytes", "b": ""})
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if _, err := Read(bytes.NewReader(bad), t.TempDir(), take); err == nil {
			t.Fatalf("bit %d of byte %d was flipped and not found", i%8, i)
		}
	}
}

func TestEveryShorterOrLongerStreamIsFound(t *testing.T) {
	good := stream(t, map[string]string{"a": "some bytes"})
	for n := range len(good) {
		if _, err := Read(bytes.NewReader(good[:n]), t.TempDir(), take); err == nil {
			t.Fatalf("%d bytes of %d were enough", n, len(good))
		}
	}
	if _, err := Read(bytes.NewReader(append(good, 0)), t.TempDir(), take); protocol.KindOf(err) != protocol.Corrupt {
		t.Fatalf("one byte more: %v", err)
	}
}

func TestNamesStayInside(t *testing.T) {
	for _, name := range []string{"", ".", "..", ".hidden", "a/b", "../a", "/a", "a\x00", "a\\b", "ä", strings.Repeat("x", 256)} {
		if checkName(name) == nil {
			t.Errorf("%q was taken", name)
		}
	}
	for _, name := range []string{"000004.sst", "MANIFEST-000001", "CURRENT", "marker.manifest.000001.MANIFEST-000001"} {
		if err := checkName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTheHeaderIsJudgedFirst(t *testing.T) {
	refused := errors.New("refused")
	dir := t.TempDir()
	_, err := Read(bytes.NewReader(stream(t, map[string]string{"a": "b"})), dir, func(Header) error { return refused })
	if !errors.Is(err, refused) || len(contents(t, dir)) != 0 {
		t.Fatalf("%v, %v", err, contents(t, dir))
	}
}

func TestOnlyPlainFilesAreStreamed(t *testing.T) {
	dir := folder(t, map[string]string{"a": "b"})
	if err := os.Mkdir(filepath.Join(dir, "c"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(io.Discard, dir, header); protocol.KindOf(err) != protocol.Corrupt {
		t.Fatal(err)
	}
}

// A claimed size allocates nothing: the reader comes to the end long before.
func TestClaimedSizesAllocateNothing(t *testing.T) {
	good := stream(t, map[string]string{"a": "some bytes"})
	huge := bytes.Clone(good)
	huge[HeaderSize+2] = 0x3f // the size's first byte
	if _, err := Read(bytes.NewReader(huge), t.TempDir(), take); err == nil {
		t.Fatal("taken")
	}
	if allocs := testing.AllocsPerRun(1, func() { _, _ = Read(bytes.NewReader(huge), t.TempDir(), take) }); allocs > 1000 {
		t.Fatalf("%v allocations", allocs)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(stream(f, map[string]string{"a": "some bytes", "b": ""}))
	f.Add(stream(f, nil))
	f.Add([]byte(headerMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		h, err := Read(bytes.NewReader(b), dir, take)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := Write(&again, dir, h); err != nil || !bytes.Equal(again.Bytes(), b) {
			t.Fatalf("taken, but it is not what this folder's stream is: %v", err)
		}
	})
}
