package protocol

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseIDAcceptsOneSpelling(t *testing.T) {
	good := "00112233445566778899aabbccddeeff"
	id, err := ParseID(good)
	if err != nil || id.String() != good || id.IsZero() {
		t.Fatalf("ParseID(%s) = %s, %v", good, id, err)
	}
	if want := (ID{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}); id != want {
		t.Errorf("ParseID(%s) = % x", good, id[:])
	}
	for _, bad := range []string{"", good[1:], good + "0", strings.ToUpper(good), good[:31] + "g", " " + good[1:], good[:30] + "\x00f"} {
		if id, err := ParseID(bad); KindOf(err) != InvalidArgument || !id.IsZero() {
			t.Errorf("ParseID(%q) = %s, %v; want invalid-argument", bad, id, err)
		}
	}
}

func TestIDFromBytes(t *testing.T) {
	want := ID{1, 15: 9}
	if got, err := IDFromBytes(want[:]); err != nil || got != want {
		t.Errorf("IDFromBytes = %s, %v", got, err)
	}
	for _, n := range []int{0, 15, 17} {
		if _, err := IDFromBytes(make([]byte, n)); KindOf(err) != InvalidArgument {
			t.Errorf("IDFromBytes of %d bytes: %v, want invalid-argument", n, err)
		}
	}
}

func TestIDInJSON(t *testing.T) {
	text, err := json.Marshal(map[string]ID{"id": {0xab}})
	if err != nil || string(text) != `{"id":"ab000000000000000000000000000000"}` {
		t.Fatalf("Marshal = %s, %v", text, err)
	}
	var back map[string]ID
	if err := json.Unmarshal(text, &back); err != nil || back["id"] != (ID{0xab}) {
		t.Errorf("Unmarshal = %v, %v", back, err)
	}
}

func TestNodeIDPrintsDecimal(t *testing.T) {
	if got := NodeID(1024).String(); got != "1024" {
		t.Errorf("NodeID(1024) prints %q", got)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("00112233445566778899aabbccddeeff")
	f.Add("00112233445566778899AABBCCDDEEFF")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != s {
			t.Fatalf("ParseID(%q) prints as %s: two spellings of one id", s, id)
		}
	})
}
