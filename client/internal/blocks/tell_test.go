package blocks

import (
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
)

// TestClaimsRequest: many puts of the same bytes leave many claims of one block,
// of which a request names each node's newest, within what a request may hold.
func TestClaimsRequest(t *testing.T) {
	claim := func(block byte, node protocol.NodeID, incarnation protocol.Incarnation, counter, ack uint64) protocol.Claim {
		return protocol.Claim{
			Hash: protocol.Hash{block}, Node: node, Incarnation: incarnation, Ack: ack,
			Version: protocol.Version{Generation: 1, Counter: counter}, PlainSize: 10, StoredSize: 9,
		}
	}
	var claims []protocol.Claim
	for node := protocol.NodeID(1); node <= 2*protocol.MaxClaimsPerBlock; node++ {
		claims = append(claims, claim(1, node, 1, 5, 1))
	}
	claims = append(claims,
		claim(1, 1, 1, 5, 7), claim(1, 1, 1, 5, 6), claim(1, 2, 1, 6, 0), claim(1, 3, 2, 1, 0), claim(1, 4, 1, 4, 9), claim(2, 1, 1, 5, 1))
	q := claimsRequest(claims)
	if n := len(q.Blocks.PlainSizes); n != 2 || len(q.Claims) != protocol.MaxClaimsPerBlock+1 {
		t.Fatalf("%d blocks and %d claims", n, len(q.Claims))
	}
	want := [][3]uint64{{1, 5, 7}, {1, 6, 0}, {2, 1, 0}, {1, 5, 1}, {1, 5, 1}, {1, 5, 1}}
	for i, c := range q.Claims {
		if got := [3]uint64{c.Incarnation, c.Counter, c.Ack}; got != want[i] || c.Block != uint32(i/protocol.MaxClaimsPerBlock) {
			t.Errorf("claim %d is %v of block %d, want %v", i, got, c.Block, want[i])
		}
	}
}
