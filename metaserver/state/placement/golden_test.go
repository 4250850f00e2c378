package placement_test

import (
	"encoding/hex"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/placement"
	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestGolden pins algorithm 1: replicas of different builds must make the same
// table. A change here is a new algorithm and needs a new number.
func TestGolden(t *testing.T) {
	base := placement.Input{Nodes: golden(12, 3), Redundancy: 3, Spares: 2, Partitions: protocol.Partitions}
	base.Previous = placement.Compute(base)
	cases := []struct {
		name string
		in   placement.Input
		want string
	}{
		{"no node", placement.Input{Redundancy: 3, Spares: 2, Partitions: 16}, "ec2bd03bf86b935fa34d71ad7ebb049f1f10f87d343e521511d8f9e6625620cd"},
		{"one node", placement.Input{Nodes: golden(1, 1), Redundancy: 3, Spares: 2, Partitions: 16}, "deebfda60f28ad7623e38a031ad17a720efdc341beae8bce63607f5a7983f2f3"},
		{"fewer nodes than places", placement.Input{Nodes: golden(4, 2), Redundancy: 3, Spares: 2, Partitions: 4096}, "fbadb994f3881b6137bc2bd213319fcef54863779da6403c3b90e168cb08744f"},
		{"first table", placement.Input{Nodes: base.Nodes, Redundancy: 3, Spares: 2, Partitions: 4096}, "a0f32dfd382a6ccf309def3c8fe1e5fe68e769084f41e236fb2c7dfa1a8bb39e"},
		{"no change", base, "a0f32dfd382a6ccf309def3c8fe1e5fe68e769084f41e236fb2c7dfa1a8bb39e"},
		{"one more", with(base, golden(13, 3)), "7a1456e3605c6076ec92cc28d66b919758f2af4a86ef8ec2b234709efe8ea9c1"},
		{"one less", with(base, golden(12, 3)[1:]), "47c5f45a2af6756a22d9ff6bdb213879dab1f183b9162071e66e436fbdc2fcc9"},
		{"other zones", with(base, golden(12, 5)), "76058759c818a3257e1836b28ded193d5892d49208c3d2f3f39989d54028378c"},
		{"many, five places", placement.Input{Nodes: golden(100, 3), Redundancy: 5, Spares: 2, Partitions: 4096}, "8c2a5f8ad0fa55051f97a7b9a289c720ee334c03fbfdeac785ddf121fe7bd740"},
	}
	for _, c := range cases {
		digest := placement.Digest(placement.Compute(c.in))
		if got := hex.EncodeToString(digest[:]); got != c.want {
			t.Errorf("%s: %s, expected %s", c.name, got, c.want)
		}
	}
}

// golden are nodes whose weights need no random numbers.
func golden(n, zones int) []placement.Node {
	var out []placement.Node
	for i := range n {
		zone := string(rune('a' + i%zones))
		out = append(out, placement.Node{ID: uint32(i + 1), Zone: zone, Weight: uint64(4+i*i%13) << 40})
	}
	return out
}

func with(in placement.Input, nodes []placement.Node) placement.Input {
	in.Nodes = nodes
	return in
}

// TestDigest pins the bytes that a digest is made of.
func TestDigest(t *testing.T) {
	table := placement.Table{Width: 2, Places: []uint32{1, 2, 0x01020304, 3}}
	plain := []byte{0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 0, 0, 0, 3}
	if placement.Digest(table) != protocol.HashOf(plain) {
		t.Error("the digest is not that of width and places, big endian")
	}
}

// TestMoved counts by hand.
func TestMoved(t *testing.T) {
	before := placement.Table{Width: 3, Places: []uint32{1, 2, 3, 4, 5, 6}}
	after := placement.Table{Width: 3, Places: []uint32{2, 1, 7, 4, 6, 5}}
	if moved := placement.Moved(before, after, 2); moved != 1 {
		t.Errorf("%d places moved, not the one of node 6, which was a spare", moved)
	}
	if moved := placement.Moved(placement.Table{}, after, 2); moved != 4 {
		t.Errorf("%d places moved from no table, not all 4", moved)
	}
	in := placement.Input{Redundancy: 3, PreviousRedundancy: 2, Partitions: 2, Previous: before}
	if moved := placement.MovedFrom(in, after); moved != 2 {
		t.Errorf("%d places moved, not those of nodes 7 and 6", moved)
	}
}
