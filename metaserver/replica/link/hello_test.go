package link

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

var sample = Hello{Role: RoleTerm, Status: StatusBusy, Cluster: protocol.ID{0xaa, 15: 0xbb}, ID: "member-1"}

func TestHelloBytes(t *testing.T) {
	want := "41534852" + "01" + "02" + "03" + "08" +
		"aa0000000000000000000000000000bb" +
		hex.EncodeToString([]byte("member-1")) + strings.Repeat("00", 56)
	got := sample.Append(nil)
	if len(got) != HelloSize || hex.EncodeToString(got) != want {
		t.Fatalf("%x, not %s", got, want)
	}
	back, err := ParseHello(got)
	if err != nil || back != sample {
		t.Fatalf("%+v, %v", back, err)
	}
}

func TestNumbersAreForEver(t *testing.T) {
	if RoleRaft != 1 || RoleTerm != 2 || RoleMark != 3 {
		t.Fatal("a role has another number")
	}
	for i, s := range []Status{StatusOK, StatusWrongCluster, StatusNotReady, StatusBusy, StatusUnsupported, StatusRemoved} {
		if int(s) != i {
			t.Fatalf("status %d has become %d", i, s)
		}
	}
	a := TermAnswer{Term: 1, LastLog: 2, Applied: 3}
	got := appendTermAnswer(nil, 9, a)
	if hex.EncodeToString(got) != "0000000000000009000000000000000100000000000000020000000000000003" || len(got) != termAnswerSize {
		t.Fatalf("%x", got)
	}
	if seq, back := parseTermAnswer(got); seq != 9 || back != a {
		t.Fatalf("%d %+v", seq, back)
	}
}

func TestMarkBytes(t *testing.T) {
	m := Mark{Index: 3, At: protocol.Version{Generation: 1, Counter: 2}, Digest: protocol.Hash{0xaa, 31: 0xbb}}
	got := m.append(nil)
	if hex.EncodeToString(got) != "0000000000000003"+"00000001"+"0000000000000002"+"aa"+strings.Repeat("00", 30)+"bb" || parseMark([markSize]byte(got)) != m {
		t.Fatalf("%x", got)
	}
}

func TestBrokenHellos(t *testing.T) {
	change := func(at int, to byte) []byte {
		b := sample.Append(nil)
		b[at] = to
		return b
	}
	for name, c := range map[string]struct {
		bytes []byte
		kind  protocol.Kind
	}{
		"empty":               {nil, protocol.InvalidArgument},
		"short":               {sample.Append(nil)[:HelloSize-1], protocol.InvalidArgument},
		"long":                {append(sample.Append(nil), 0), protocol.InvalidArgument},
		"another protocol":    {change(0, 'X'), protocol.InvalidArgument},
		"another format":      {change(4, 2), protocol.Unsupported},
		"no id":               {change(7, 0), protocol.InvalidArgument},
		"id of 64":            {change(7, 64), protocol.InvalidArgument},
		"id longer than told": {change(7, 3), protocol.InvalidArgument},
		"bytes in the pad":    {change(HelloSize-1, 1), protocol.InvalidArgument},
	} {
		if _, err := ParseHello(c.bytes); protocol.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseHello(f *testing.F) {
	f.Add(sample.Append(nil))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHello(b)
		if err == nil && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("%x is read as %+v, which is another hello", b, h)
		}
	})
}
