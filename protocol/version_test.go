package protocol

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand"
	"testing"
)

func TestVersionOrder(t *testing.T) {
	ascending := []Version{{}, {0, 1}, {0, math.MaxUint64}, {1, 0}, {1, 1}, {1, 256}, {2, 0}, {math.MaxUint32, math.MaxUint64}}
	for i, a := range ascending {
		for j, b := range ascending {
			want := max(-1, min(1, i-j))
			if got := a.Compare(b); got != want {
				t.Errorf("%s.Compare(%s) = %d, want %d", a, b, got, want)
			}
			if got := a.Less(b); got != (i < j) {
				t.Errorf("%s.Less(%s) = %t", a, b, got)
			}
			if got := a.Max(b); got != ascending[max(i, j)] {
				t.Errorf("%s.Max(%s) = %s", a, b, got)
			}
			if got := bytes.Compare(a.AppendBinary(nil), b.AppendBinary(nil)); got != want {
				t.Errorf("binary forms of %s and %s order as %d, want %d", a, b, got, want)
			}
		}
	}
	if !ascending[0].IsZero() || ascending[1].IsZero() {
		t.Error("only the zero version is zero")
	}
	if got := (Version{3, 7}).Next(); got != (Version{3, 8}) {
		t.Errorf("Next = %s", got)
	}
}

func TestVersionGoldenForms(t *testing.T) {
	for _, c := range []struct {
		v      Version
		text   string
		binary string
	}{
		{Version{}, "0.0", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
		{Version{1, 4711}, "1.4711", "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x12\x67"},
		{Version{math.MaxUint32, math.MaxUint64}, "4294967295.18446744073709551615", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
	} {
		if got := c.v.String(); got != c.text {
			t.Errorf("String = %q, want %q", got, c.text)
		}
		if got := string(c.v.AppendBinary(nil)); got != c.binary || len(got) != VersionSize {
			t.Errorf("%s: binary % x, want % x", c.text, got, c.binary)
		}
		if got, err := ParseVersion(c.text); err != nil || got != c.v {
			t.Errorf("ParseVersion(%s) = %s, %v", c.text, got, err)
		}
		if got, err := VersionFromBytes([]byte(c.binary)); err != nil || got != c.v {
			t.Errorf("VersionFromBytes(% x) = %s, %v", c.binary, got, err)
		}
	}
}

func TestParseVersionAcceptsOneSpelling(t *testing.T) {
	for _, bad := range []string{
		"", ".", "1", "1.", ".1", "01.1", "1.01", "+1.1", "1.+1", "-1.1", "1.1.1", " 1.1", "1.1 ", "1,1", "0x1.1", "1_0.1",
		"4294967296.0", "0.18446744073709551616",
	} {
		if v, err := ParseVersion(bad); KindOf(err) != InvalidArgument || !v.IsZero() {
			t.Errorf("ParseVersion(%q) = %s, %v; want invalid-argument", bad, v, err)
		}
	}
	for _, n := range []int{0, VersionSize - 1, VersionSize + 1} {
		if _, err := VersionFromBytes(make([]byte, n)); KindOf(err) != InvalidArgument {
			t.Errorf("VersionFromBytes of %d bytes: %v, want invalid-argument", n, err)
		}
	}
}

func TestVersionRoundTrips(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewSource(seed))
	for range 1000 {
		v := Version{random.Uint32() >> random.Intn(32), random.Uint64() >> random.Intn(64)}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var fromText Version
		if err := json.Unmarshal(text, &fromText); err != nil || fromText != v {
			t.Fatalf("seed %d: %s through JSON is %s, %v", seed, v, fromText, err)
		}
		if back, err := VersionFromBytes(v.AppendBinary(nil)); err != nil || back != v {
			t.Fatalf("seed %d: %s through bytes is %s, %v", seed, v, back, err)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("1.4711")
	f.Add("00.1")
	f.Add("4294967296.18446744073709551616")
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := ParseVersion(s); err == nil && v.String() != s {
			t.Fatalf("ParseVersion(%q) prints as %s: two spellings of one version", s, v)
		}
	})
}
