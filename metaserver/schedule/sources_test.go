package schedule_test

import (
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestMoveOfManyHolders: a block that more nodes hold than a copy order may name is
// moved all the same.
func TestMoveOfManyHolders(t *testing.T) {
	const nodes = protocol.MaxSources + 4
	b := newBed(t, nodes)
	target := protocol.NodeID(b.places("a")[0])
	var holders []protocol.NodeID
	for n := protocol.NodeID(1); n <= nodes; n++ {
		if n != target {
			holders = append(holders, n)
		}
	}
	b.put("a", holders[:3]...)
	for some := range slices.Chunk(holders, protocol.MaxClaimsPerBlock) {
		b.must(&record.Command{Body: &record.Command_Copied{Copied: &pb.ClaimsRequest{
			Blocks: &pb.Blocks{Hashes: hashBytes("a"), PlainSizes: []uint32{100}, StoredSizes: []uint32{60}}, Claims: b.store("a", some...),
		}}})
	}
	if n := len(b.row("a").Copies); n != nodes-1 {
		t.Fatalf("%d copies", n)
	}
	b.rounds(20)
	b.inLine([]string{"a"})
}
