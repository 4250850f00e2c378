package dispatch

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

func TestDigestDue(t *testing.T) {
	at := func(g uint32, c uint64) protocol.Version { return protocol.Version{Generation: g, Counter: c} }
	for _, tc := range []struct {
		name      string
		mark, now protocol.Version
		due       bool
	}{
		{"just marked", at(1, 100), at(1, 102), false},
		{"one short", at(1, 100), at(1, 199), false},
		{"far enough", at(1, 100), at(1, 200), true},
		{"never marked in a young state", at(0, 0), at(1, 5), true},
		{"another generation", at(1, 100), at(2, 101), true},
		{"a mark from ahead", at(1, 300), at(1, 200), false},
	} {
		if got := digestDue(tc.mark, tc.now, 100); got != tc.due {
			t.Errorf("%s: due is %v", tc.name, got)
		}
	}
}
