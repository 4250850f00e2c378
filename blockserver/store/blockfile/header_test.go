package blockfile_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/blockserver/store/blockfile"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func version(counter uint64) protocol.Version {
	return protocol.Version{Generation: 2, Counter: counter}
}

func sample() blockfile.Header {
	h := blockfile.NewHeader(version(0x305), 1<<20, 1<<20+35, protocol.ID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	h.Raise(version(0x309))
	return h
}

func TestGoldenHeader(t *testing.T) {
	h := sample()
	got := h.Encode()
	want := "5a2a4d18440000004153484200010000000000020000000000000305c7e7d3b9" +
		"0000000200000000000003098aa41c6900100000001000230001020304050607" +
		"08090a0b0c0d0e0fd076aa86"
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("header is\n%x, want\n%s", got, want)
	}
	back, err := blockfile.Parse(got[:])
	if err != nil || back != h {
		t.Errorf("parsed %+v, %v; want %+v", back, err, h)
	}
}

// TestRaiseSurvivesTearing tears the write of a slot at every byte: the version
// is the old one or the new one, and the next Raise works from there.
func TestRaiseSurvivesTearing(t *testing.T) {
	h := sample()
	file := h.Encode()
	for counter := uint64(0x310); counter < 0x318; counter++ {
		before := h.Version()
		off, slot := h.Raise(version(counter))
		for kept := range len(slot) + 1 {
			torn := file
			copy(torn[off:], slot[:kept])
			got, err := blockfile.Parse(torn[:])
			if err != nil {
				t.Fatalf("torn after %d bytes: %v", kept, err)
			}
			if v := got.Version(); v != before && v != h.Version() || (kept == len(slot) && v != version(counter)) {
				t.Fatalf("torn after %d bytes: version %s, was %s, raised to %s", kept, v, before, version(counter))
			}
			again, next := got.Raise(version(counter + 1))
			copy(torn[again:], next[:])
			if got, err = blockfile.Parse(torn[:]); err != nil || got.Version() != version(counter+1) {
				t.Fatalf("raised after tearing at %d: %s, %v", kept, got.Version(), err)
			}
		}
		copy(file[off:], slot[:])
	}
}

func TestRaiseNeverLowers(t *testing.T) {
	h := blockfile.NewHeader(version(9), 1, 1, protocol.ID{1})
	for _, v := range []protocol.Version{version(3), {}, version(9), {Generation: 1, Counter: 1 << 40}} {
		h.Raise(v)
		if h.Version() != version(9) {
			t.Fatalf("raising to %s gave %s", v, h.Version())
		}
	}
	if b := h.Encode(); b == [blockfile.HeaderSize]byte{} {
		t.Fatal("nothing encoded")
	}
}

// TestOneFlippedBit: no single bit can change what a header says, but for a slot,
// where it leaves the other one.
func TestOneFlippedBit(t *testing.T) {
	h := sample()
	good := h.Encode()
	for bit := range len(good) * 8 {
		bad := good
		bad[bit/8] ^= 1 << (bit % 8)
		got, err := blockfile.Parse(bad[:])
		inSlot := bit/8 >= 16 && bit/8 < 48
		switch {
		case inSlot && (err != nil || version(0x309).Less(got.Version()) || got.Version().Less(version(0x305))):
			t.Fatalf("bit %d of a slot: %s, %v", bit, got.Version(), err)
		case !inSlot && protocol.KindOf(err) != protocol.Corrupt:
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	h := sample()
	good := h.Encode()
	if _, err := blockfile.Parse(good[:blockfile.HeaderSize-1]); protocol.KindOf(err) != protocol.Corrupt {
		t.Errorf("a short header: %v", err)
	}
	huge := blockfile.NewHeader(version(1), protocol.MaxBlockSize+1, 1, protocol.ID{})
	b := huge.Encode()
	if _, err := blockfile.Parse(b[:]); protocol.KindOf(err) != protocol.Corrupt {
		t.Errorf("a size above the limit: %v", err)
	}
	if later := laterFormat(good); protocol.KindOf(parseErr(later)) != protocol.Unsupported {
		t.Errorf("a later format: %v", parseErr(later))
	}
}

func parseErr(b []byte) error {
	_, err := blockfile.Parse(b)
	return err
}

func FuzzParse(f *testing.F) {
	h := sample()
	b := h.Encode()
	f.Add(b[:])
	f.Add(laterFormat(b))
	f.Add(b[:40])
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := blockfile.Parse(in)
		if err != nil {
			if kind := protocol.KindOf(err); kind != protocol.Corrupt && kind != protocol.Unsupported {
				t.Fatalf("kind %s", kind)
			}
			return
		}
		// What is accepted is written the same, but for a slot that is not good.
		out := h.Encode()
		back, err := blockfile.Parse(out[:])
		if err != nil || back != h || !bytes.Equal(out[:16], in[:16]) || !bytes.Equal(out[48:], in[48:blockfile.HeaderSize]) {
			t.Fatalf("%+v became %+v, %v", h, back, err)
		}
	})
}

// laterFormat is a good header of the next format.
func laterFormat(b [blockfile.HeaderSize]byte) []byte {
	b[13]++
	return blockfile.SealForTest(b)
}
