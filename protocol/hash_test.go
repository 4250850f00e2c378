package protocol

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

// vectorInput is what the official vectors hash: 0 to 250, repeated.
func vectorInput(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

func TestHashIsBlake3(t *testing.T) {
	f, err := os.Open("testdata/blake3.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cases := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		length, digits, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(length)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		cases++
		input := vectorInput(n)
		if got := HashOf(input).String(); got != digits {
			t.Errorf("HashOf(%d bytes) = %s, want %s", n, got, digits)
		}
		h := NewHasher()
		for len(input) > 0 {
			piece := min(len(input), 1000)
			if got, err := h.Write(input[:piece]); got != piece || err != nil {
				t.Fatalf("Write = %d, %v", got, err)
			}
			input = input[piece:]
		}
		if got := h.Sum().String(); got != digits {
			t.Errorf("Hasher over %d bytes = %s, want %s", n, got, digits)
		}
	}
	if cases < 22 {
		t.Errorf("only %d vectors were tried", cases)
	}
}

func TestHashVerify(t *testing.T) {
	h := HashOf([]byte("stone"))
	if err := h.Verify([]byte("stone")); err != nil {
		t.Error(err)
	}
	if err := h.Verify([]byte("stones")); KindOf(err) != HashMismatch {
		t.Errorf("Verify of other bytes = %v, want hash-mismatch", err)
	}
}

func TestParseHashAcceptsOneSpelling(t *testing.T) {
	good := strings.Repeat("0123456789abcdef", 4)
	h, err := ParseHash(good)
	if err != nil || h.String() != good || h.Short() != good[:12] || h.IsZero() {
		t.Fatalf("ParseHash(%s) = %s, %v", good, h, err)
	}
	for _, bad := range []string{
		"", good[1:], good + "0", strings.ToUpper(good), "0x" + good[2:], " " + good[1:], good[:63] + "\n",
		good[:63] + "g", good[:62] + "..", strings.Replace(good, "0", "\x00", 1), good[:63] + "é", "%61" + good[3:],
	} {
		if h, err := ParseHash(bad); KindOf(err) != InvalidArgument || !h.IsZero() {
			t.Errorf("ParseHash(%q) = %s, %v; want invalid-argument", bad, h, err)
		}
	}
}

func TestHashFromBytes(t *testing.T) {
	want := HashOf(nil)
	if got, err := HashFromBytes(want[:]); err != nil || got != want {
		t.Errorf("HashFromBytes = %s, %v", got, err)
	}
	for _, n := range []int{0, HashSize - 1, HashSize + 1} {
		if _, err := HashFromBytes(make([]byte, n)); KindOf(err) != InvalidArgument {
			t.Errorf("HashFromBytes of %d bytes: %v, want invalid-argument", n, err)
		}
	}
}

func TestHashOrderIsByteOrder(t *testing.T) {
	low, high := Hash{0, 255}, Hash{1}
	if low.Compare(high) != -1 || high.Compare(low) != 1 || low.Compare(low) != 0 {
		t.Error("hashes are not ordered as their bytes")
	}
}

func TestHashInJSON(t *testing.T) {
	h := HashOf([]byte("stone"))
	text, err := json.Marshal(h)
	if err != nil || string(text) != `"`+h.String()+`"` {
		t.Fatalf("Marshal = %s, %v", text, err)
	}
	var back Hash
	if err := json.Unmarshal(text, &back); err != nil || back != h {
		t.Errorf("Unmarshal = %s, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`"AB"`), &back); !errors.Is(err, &Error{Kind: InvalidArgument}) {
		t.Errorf("Unmarshal of a bad hash = %v, want invalid-argument", err)
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(strings.Repeat("0123456789abcdef", 4))
	f.Add(strings.Repeat("A", 64))
	f.Add("../../etc/passwd")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHash(s)
		if err == nil && h.String() != s {
			t.Fatalf("ParseHash(%q) prints as %s: two spellings of one hash", s, h)
		}
		if err != nil && KindOf(err) != InvalidArgument {
			t.Fatalf("ParseHash(%q): %v", s, err)
		}
	})
}
