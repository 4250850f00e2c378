package state_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state"
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/metaserver/table"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestCheckSeesKept: a kept layout's table is not decoded, and whatever is wrong
// with its row is found all the same.
func TestCheckSeesKept(t *testing.T) {
	m := everything(t)
	good := marshal(t, &record.Layout{LayoutVersion: 1, Width: 3, Table: make([]byte, protocol.Partitions*3*4), Reason: "first", Applied: &pb.Version{Generation: 1, Counter: 1}})
	put := func(value []byte) error {
		d := damaged{t, m.table.(*table.Memory)}
		d.put("L\x00\x00\x00\x00\x00\x00\x00\x01", value)
		return state.Check(d)
	}
	if err := put(good); err != nil {
		t.Fatal(err)
	}
	nodes := slices.Clone(good[4 : 4+4+protocol.Partitions*3*4])
	spelt := slices.Replace(slices.Clone(good), 5, 8, good[5]|0x80, good[6]|0x80, good[7]|0x80, 0)
	for what, value := range map[string][]byte{
		"layouts: no table":                slices.Concat(good[:4], good[4+len(nodes):]),
		"rows: the table twice":            slices.Concat(good[:4], nodes, good[4:]),
		"rows: the table at the end":       slices.Concat(good[:4], good[4+len(nodes):], nodes),
		"rows: the table at the beginning": slices.Concat(nodes, good[:4], good[4+len(nodes):]),
		"rows: a field spelt twice":        slices.Concat(good[:2], good),
		"rows: a length spelt long":        spelt,
	} {
		invariant, _, _ := strings.Cut(what, ":")
		if err := put(value); err == nil || !strings.HasPrefix(err.Error(), "state: invariant "+invariant+":") {
			t.Errorf("%s: found %v", what, err)
		}
	}
	if err := put(good[:len(good)-1]); protocol.KindOf(err) != protocol.Corrupt {
		t.Errorf("cut short: %v", err)
	}
}
