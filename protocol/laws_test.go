package protocol

import (
	"bytes"
	"cmp"
	"math/rand"
	"slices"
	"testing"
)

// small draws a version from a small set, so that equal ones meet.
func small(random *rand.Rand) Version {
	return Version{uint32(random.Intn(3)), uint64(random.Intn(4))}
}

// TestVersionLaws checks the order against the obvious way: a pair compared part
// by part.
func TestVersionLaws(t *testing.T) {
	const seed = 11
	random := rand.New(rand.NewSource(seed))
	for range 5000 {
		a, b, c := small(random), small(random), small(random)
		obvious := cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Counter, b.Counter))
		switch {
		case a.Compare(b) != obvious:
			t.Fatalf("seed %d: %s and %s compare as %d, want %d", seed, a, b, a.Compare(b), obvious)
		case a.Compare(b) != -b.Compare(a):
			t.Fatalf("seed %d: %s and %s do not compare both ways", seed, a, b)
		case a.Less(b) && b.Less(c) && !a.Less(c):
			t.Fatalf("seed %d: %s < %s < %s is not transitive", seed, a, b, c)
		case (a.Compare(b) == 0) != (a == b):
			t.Fatalf("seed %d: %s and %s are equal in order only", seed, a, b)
		case a.Max(b) != b.Max(a) || a.Max(b).Less(a) || a.Max(b).Less(b):
			t.Fatalf("seed %d: the higher of %s and %s is %s", seed, a, b, a.Max(b))
		case !a.Less(a.Next()) || a.Next().Generation != a.Generation:
			t.Fatalf("seed %d: %s is followed by %s", seed, a, a.Next())
		}
	}
}

// TestVersionsSortAsTheirBytes: a table that orders keys by bytes orders them by
// version.
func TestVersionsSortAsTheirBytes(t *testing.T) {
	const seed = 13
	random := rand.New(rand.NewSource(seed))
	versions := make([]Version, 500)
	for i := range versions {
		versions[i] = Version{random.Uint32() >> random.Intn(32), random.Uint64() >> random.Intn(64)}
	}
	byBytes := slices.Clone(versions)
	slices.SortFunc(versions, Version.Compare)
	slices.SortFunc(byBytes, func(a, b Version) int { return bytes.Compare(a.AppendBinary(nil), b.AppendBinary(nil)) })
	if !slices.Equal(versions, byBytes) {
		t.Errorf("seed %d: the two orders differ", seed)
	}
}

// TestVersionAppendsToWhatIsThere: AppendBinary is used to build keys.
func TestVersionAppendsToWhatIsThere(t *testing.T) {
	got := Version{1, 2}.AppendBinary([]byte("key/"))
	if want := "key/\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02"; string(got) != want {
		t.Errorf("AppendBinary = %q, want %q", got, want)
	}
}

// TestHashesSortAsTheirDigits: listings by hash and by printed hash agree.
func TestHashesSortAsTheirDigits(t *testing.T) {
	const seed = 17
	random := rand.New(rand.NewSource(seed))
	hashes := make([]Hash, 500)
	for i := range hashes {
		_, _ = random.Read(hashes[i][:])
	}
	byDigits := slices.Clone(hashes)
	slices.SortFunc(hashes, Hash.Compare)
	slices.SortFunc(byDigits, func(a, b Hash) int { return cmp.Compare(a.String(), b.String()) })
	if !slices.Equal(hashes, byDigits) {
		t.Errorf("seed %d: the two orders differ", seed)
	}
}

// FuzzHasher: however a stream is cut into writes, its hash is the same, and one
// flipped bit gives another.
func FuzzHasher(f *testing.F) {
	f.Add([]byte(""), uint16(0))
	f.Add([]byte("squared stone"), uint16(3))
	f.Add(vectorInput(5000), uint16(1023))
	f.Fuzz(func(t *testing.T, plain []byte, piece uint16) {
		want := HashOf(plain)
		h := NewHasher()
		for part := range slices.Chunk(plain, int(piece)+1) {
			_, _ = h.Write(part)
		}
		// Sum may be asked for again.
		if first, again := h.Sum(), h.Sum(); first != want || again != want {
			t.Fatalf("%d bytes in pieces of %d hash to %s, want %s", len(plain), piece+1, h.Sum(), want)
		}
		if want.Verify(plain) != nil {
			t.Fatal("bytes are not their own hash's")
		}
		if len(plain) > 0 {
			flipped := bytes.Clone(plain)
			flipped[int(piece)%len(plain)] ^= 1 << (piece % 8)
			if KindOf(want.Verify(flipped)) != HashMismatch {
				t.Fatalf("a flipped bit in %d bytes goes unseen", len(plain))
			}
		}
	})
}
