package blockfile_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func newCodec(t testing.TB) *blockfile.Codec {
	c, err := blockfile.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func compress(t testing.TB, plain []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(plain, nil)
}

// streamed compresses without telling the content's size.
func streamed(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	enc, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err == nil {
		for part := range slices.Chunk(plain, 64<<10) {
			_, err = enc.Write(part)
		}
	}
	if err == nil {
		err = enc.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func text(size int) []byte {
	return bytes.Repeat([]byte("a squared building stone. "), size/26+1)[:size]
}

func TestCompressRoundTrip(t *testing.T) {
	c := newCodec(t)
	for _, size := range []int{0, 1, 100, 1 << 17, 1<<20 + 1} {
		plain := text(size)
		stored := c.Compress(plain, nil)
		got, err := c.Decode(protocol.HashOf(plain), stored, uint32(size), []byte("before"))
		if err != nil || !bytes.Equal(got, append([]byte("before"), plain...)) {
			t.Fatalf("%d bytes: %d, %v", size, len(got), err)
		}
		if err := c.Check(protocol.HashOf(plain), stored, uint32(size)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAccept(t *testing.T) {
	c := newCodec(t)
	plain := text(300_000)
	h := protocol.HashOf(plain)
	half := append(compress(t, plain[:100_000]), compress(t, plain[100_000:])...)
	for _, good := range []struct {
		name string
		body []byte
		asIs bool
	}{
		{"one frame", compress(t, plain), true},
		{"best", compress(t, plain, zstd.WithEncoderLevel(zstd.SpeedBestCompression)), true},
		{"no checksum", compress(t, plain, zstd.WithEncoderCRC(false)), false},
		{"two frames", half, true},
		{"no size", streamed(t, plain), true},
		{"an empty frame too", append(compress(t, plain), compress(t, nil)...), false},
	} {
		for _, declared := range []int{-1, len(plain)} {
			got, asIs, err := c.Accept(h, good.body, declared)
			if err != nil || asIs != good.asIs || !bytes.Equal(got, plain) {
				t.Errorf("%s, declared %d: %d bytes, as it is %v, %v", good.name, declared, len(got), asIs, err)
			}
		}
	}
}

func TestAcceptRefuses(t *testing.T) {
	c := newCodec(t)
	plain := text(300_000)
	h, body := protocol.HashOf(plain), compress(t, plain)
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2}
	bad := slices.Clone(body)
	bad[len(bad)-1] ^= 1
	for _, r := range []struct {
		name     string
		kind     protocol.Kind
		body     []byte
		declared int
	}{
		{"bomb that tells", protocol.SizeExceeded, compress(t, make([]byte, protocol.MaxBlockSize+1)), -1},
		{"bomb that does not tell", protocol.SizeExceeded, streamed(t, make([]byte, 64<<20)), -1},
		{"bomb of many frames", protocol.SizeExceeded, bytes.Repeat(streamed(t, make([]byte, 8<<20)), 100), -1},
		{"more than declared", protocol.SizeExceeded, streamed(t, plain), 1000},
		{"frames without end", protocol.InvalidArgument, bytes.Repeat(compress(t, nil), blockfile.MaxFrames+1), -1},
		{"huge window", protocol.Unsupported, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x98, 1, 0, 0, 0, 0, 0, 0}, -1},
		{"dictionary", protocol.Unsupported, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x07, 0, 1, 0, 0}, -1},
		{"skippable before", protocol.InvalidArgument, append(slices.Clone(skippable), body...), -1},
		{"skippable behind", protocol.InvalidArgument, append(slices.Clone(body), skippable...), -1},
		{"one byte behind", protocol.InvalidArgument, append(slices.Clone(body), 0x28), -1},
		{"three bytes behind", protocol.InvalidArgument, append(slices.Clone(body), 0x28, 0xb5, 0x2f), -1},
		{"wrong checksum", protocol.InvalidArgument, bad, -1},
		{"cut", protocol.InvalidArgument, body[:len(body)-5], -1},
		{"empty", protocol.InvalidArgument, nil, -1},
		{"text", protocol.InvalidArgument, plain, -1},
		{"too long", protocol.TooLarge, make([]byte, protocol.MaxStoredSize+1), -1},
		{"declared too large", protocol.TooLarge, body, protocol.MaxBlockSize + 1},
		{"less than declared", protocol.ShortBody, body, len(plain) + 1},
		{"other bytes", protocol.HashMismatch, compress(t, plain[1:]), -1},
	} {
		if _, _, err := c.Accept(h, r.body, r.declared); protocol.KindOf(err) != r.kind {
			t.Errorf("%s: %v, want %s", r.name, err, r.kind)
		}
	}
}

// TestBombCostsNoMemory decodes bodies that claim or hold far too much.
func TestBombCostsNoMemory(t *testing.T) {
	c := newCodec(t)
	bomb := streamed(t, make([]byte, 256<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 5 {
		if _, _, err := c.Accept(protocol.Hash{}, bomb, 1<<20); protocol.KindOf(err) != protocol.SizeExceeded {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 24<<20 {
		t.Errorf("%d bytes of bomb took %d bytes of memory", len(bomb), grown)
	}
}

// TestAnyFlippedBit flips every bit of stored frames: the plain bytes come back
// whole, or not at all.
func TestAnyFlippedBit(t *testing.T) {
	c := newCodec(t)
	plain := text(900)
	h := protocol.HashOf(plain)
	stored := c.Compress(plain, nil)
	for bit := range len(stored) * 8 {
		bad := slices.Clone(stored)
		bad[bit/8] ^= 1 << (bit % 8)
		got, err := c.Decode(h, bad, uint32(len(plain)), nil)
		if err == nil && !bytes.Equal(got, plain) {
			t.Fatalf("bit %d: other bytes", bit)
		}
		if err != nil && (protocol.KindOf(err) != protocol.Corrupt || len(got) > 0) {
			t.Fatalf("bit %d: %d bytes, %v", bit, len(got), err)
		}
	}
}

// TestZstdToolReads has the real tool test and print a block file.
func TestZstdToolReads(t *testing.T) {
	if _, err := exec.LookPath("zstd"); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("ASHLAR_CI") != "" {
			t.Fatal("the zstd tool is missing, and CI has to have it")
		}
		t.Skip("the zstd tool is not installed")
	}
	c := newCodec(t)
	for i, plain := range [][]byte{{}, text(1000), text(1 << 20)} {
		stored := c.Compress(plain, nil)
		head := blockfile.NewHeader(version(7), uint32(len(plain)), uint32(len(stored)), protocol.ID{1})
		head.Raise(version(8))
		header := head.Encode()
		file := filepath.Join(t.TempDir(), fmt.Sprintf("block%d", i))
		if err := os.WriteFile(file, append(header[:], stored...), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("zstd", "-t", file).CombinedOutput(); err != nil {
			t.Fatalf("zstd -t: %v, %s", err, out)
		}
		if out, err := exec.Command("zstdcat", file).Output(); err != nil || !bytes.Equal(out, plain) {
			t.Fatalf("zstdcat: %d bytes, %v", len(out), err)
		}
	}
}

func FuzzAccept(f *testing.F) {
	plain := text(5000)
	f.Add(compress(f, plain), 5000)
	f.Add(compress(f, plain), -1)
	f.Add(streamed(f, plain), -1)
	f.Add(streamed(f, make([]byte, 1<<20)), 1<<16)
	f.Add(append(compress(f, plain), compress(f, nil)...), 5000)
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x98, 1, 0, 0, 0, 0, 0, 0}, -1)
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x07, 0, 1, 0, 0}, -1)
	f.Add([]byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff}, 10)
	codec := newCodec(f)
	reference, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(protocol.MaxBlockSize))
	if err != nil {
		f.Fatal(err)
	}
	defer reference.Close()
	f.Fuzz(func(t *testing.T, body []byte, declared int) {
		// A body whose frames decode at all is accepted under its own hash, and under
		// no other.
		want, wantErr := reference.DecodeAll(body, nil)
		h := protocol.HashOf(want)
		got, _, err := codec.Accept(h, body, declared)
		switch {
		case err == nil && (wantErr != nil || !bytes.Equal(got, want)):
			t.Fatalf("accepted %d bytes; the reference has %d, %v", len(got), len(want), wantErr)
		case err == nil && declared >= 0 && len(got) != declared:
			t.Fatalf("accepted %d bytes where %d were declared", len(got), declared)
		case err != nil && protocol.KindOf(err) == protocol.Internal:
			t.Fatalf("untyped: %v", err)
		}
		if _, _, err := codec.Accept(protocol.Hash{1}, body, declared); err == nil {
			t.Fatal("accepted under a hash that is not its own")
		}
		if err := codec.Check(h, body, uint32(len(want))); err == nil && wantErr != nil {
			t.Fatal("a file is good that the reference refuses")
		}
	})
}
