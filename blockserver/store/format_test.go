package store

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func sampleTally() tally {
	return tally{
		clean: true, sequence: 0x102, acks: 0x304, highest: protocol.Version{Generation: 5, Counter: 0x607},
		blocks: 0x809, bytes: 0xa0b0c, disk: protocol.ID{0xd, 0xe, 0xf},
	}
}

func TestGoldenAcks(t *testing.T) {
	s := sampleTally()
	want := "41534841" + "0001" + "0001" + "0000000000000102" + "0000000000000304" +
		"00000005" + "0000000000000607" + "0000000000000809" + "00000000000a0b0c" +
		"0d0e0f00000000000000000000000000" + "4e50bfb3"
	if got := hex.EncodeToString(s.encode()); got != want {
		t.Errorf("slot is\n%s, want\n%s", got, want)
	}
	if back, good := decodeTally(s.encode()); !good || back != s {
		t.Errorf("decoded %+v, %v", back, good)
	}
}

func TestAcksTakeTheNewerGoodSlot(t *testing.T) {
	content := newAcks(protocol.ID{1})
	first, err := parseAcks(content)
	if err != nil || !first.clean || first.sequence != 1 || first.acks != 0 || len(content) != acksFileSize {
		t.Fatalf("a new file says %+v, %v", first, err)
	}
	second := first
	second.sequence, second.acks = 2, 9
	written := second.encode()
	for kept := range len(written) + 1 {
		torn := bytes.Clone(content)
		copy(torn, written[:kept])
		got, err := parseAcks(torn)
		if want := kept == len(written); err != nil || (got == second) != want || (got == first) == want {
			t.Fatalf("torn after %d bytes: %+v, %v", kept, got, err)
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, acksFileSize), content[:acksSlotGap+acksSlotSize-1]} {
		if _, err := parseAcks(bad); protocol.KindOf(err) != protocol.Corrupt {
			t.Errorf("%d bytes without a slot: %v", len(bad), err)
		}
	}
}

func sampleMarker() marker {
	return marker{
		Format: 1, Disk: protocol.ID{1}, Identity: protocol.ID{2}, Cluster: protocol.ID{3}, Node: 4,
		Disks: []protocol.ID{{1}, {5}},
	}
}

func TestGoldenMarker(t *testing.T) {
	got, err := sampleMarker().encode()
	want := `{
  "format": 1,
  "disk": "01000000000000000000000000000000",
  "identity": "02000000000000000000000000000000",
  "cluster": "03000000000000000000000000000000",
  "node": 4,
  "disks": [
    "01000000000000000000000000000000",
    "05000000000000000000000000000000"
  ]
}
`
	if err != nil || string(got) != want {
		t.Errorf("marker is\n%s, %v", got, err)
	}
	back, err := parseMarker(got)
	if err != nil || !back.equal(sampleMarker()) {
		t.Errorf("parsed %+v, %v", back, err)
	}
}

func TestMarkerRefusals(t *testing.T) {
	good, err := sampleMarker().encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty":         "",
		"no JSON":       "disk",
		"goes on":       string(good) + "{}",
		"unknown field": strings.Replace(string(good), `"node"`, `"knot"`, 1),
		"no disk":       strings.Replace(string(good), `"disk": "01`, `"disk": "00`, 1),
		"no identity":   strings.Replace(string(good), `"02`, `"00`, 1),
		"short id":      strings.Replace(string(good), `"0200`, `"02`, 1),
		"upper case":    strings.Replace(string(good), `"02`, `"0A`, 1),
	} {
		if _, err := parseMarker([]byte(bad)); protocol.KindOf(err) != protocol.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := strings.Replace(string(good), `"format": 1`, `"format": 2`, 1)
	if _, err := parseMarker([]byte(later)); protocol.KindOf(err) != protocol.Unsupported {
		t.Errorf("a later format: %v", err)
	}
}

func TestSettle(t *testing.T) {
	one := marker{Format: 1, Disk: protocol.ID{1}, Identity: protocol.ID{9}, Disks: []protocol.ID{{1}}}
	two := marker{Format: 1, Disk: protocol.ID{2}, Identity: protocol.ID{9}, Disks: []protocol.ID{{1}, {2}}, Cluster: protocol.ID{7}, Node: 3}
	change := func(m marker, f func(*marker)) marker { f(&m); return m }
	for _, c := range []struct {
		name   string
		found  []marker
		forget []protocol.ID
		kind   protocol.Kind
	}{
		{"none", nil, nil, 0},
		{"one", []marker{one}, nil, 0},
		{"two", []marker{one, two}, nil, 0},
		{"one missing", []marker{two}, nil, protocol.InvalidArgument},
		{"one forgotten", []marker{two}, []protocol.ID{{1}}, 0},
		{"a copy", []marker{one, one}, nil, protocol.InvalidArgument},
		{"another node's", []marker{one, change(two, func(m *marker) { m.Identity[0]++ })}, nil, protocol.InvalidArgument},
		{"another cluster's", []marker{change(one, func(m *marker) { m.Cluster[0] = 8 }), two}, nil, protocol.WrongCluster},
	} {
		agreed, err := settle(c.found, c.forget)
		if protocol.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %s", c.name, err, c.kind)
		}
		if err == nil && len(agreed.Disks) != len(c.found) {
			t.Errorf("%s: agreed on %+v", c.name, agreed)
		}
	}
	if agreed, _ := settle([]marker{two, one}, nil); agreed.Cluster != two.Cluster || agreed.Node != two.Node || agreed.Identity != two.Identity {
		t.Errorf("agreed on %+v", agreed)
	}
}

func FuzzAcks(f *testing.F) {
	s := sampleTally()
	content := newAcks(protocol.ID{1})
	f.Add(bytes.Clone(content))
	copy(content, s.encode())
	f.Add(content)
	f.Add(s.encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := parseAcks(in)
		if err != nil {
			if protocol.KindOf(err) != protocol.Corrupt {
				t.Fatalf("kind %s", protocol.KindOf(err))
			}
			return
		}
		if back, good := decodeTally(got.encode()); !good || back != got {
			t.Fatalf("%+v became %+v", got, back)
		}
	})
}

func FuzzMarker(f *testing.F) {
	content, err := sampleMarker().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := parseMarker(in)
		if err != nil {
			if kind := protocol.KindOf(err); kind != protocol.Corrupt && kind != protocol.Unsupported {
				t.Fatalf("kind %s", kind)
			}
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseMarker(again); err != nil || !back.equal(m) {
			t.Fatalf("%+v became %+v, %v", m, back, err)
		}
	})
}
