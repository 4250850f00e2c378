package schedule_test

import (
	"slices"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// TestBlockedMovesDoNotStopASweep: marks that nothing can be done for, however many,
// are no reason for others to stay unmarked.
func TestBlockedMovesDoNotStopASweep(t *testing.T) {
	b, texts := settledBed(t, 5)
	var dead, alive []string
	for _, text := range texts {
		if len(dead) < 3 && copiesOn(b.row(text), 2) {
			dead = append(dead, text)
		} else {
			alive = append(alive, text)
		}
	}
	for _, text := range dead {
		for _, c := range b.row(text).Copies {
			delete(b.files[c.Node-1], hashOf(text))
		}
	}
	b.change(pb.NodeChange_DRAIN, 2)
	for range 60 {
		obs := b.observe()
		obs.Limits.Batch, obs.Limits.Marked = 2, 2
		p := b.plan(obs)
		for _, c := range p.Commands {
			b.must(c)
		}
		for _, n := range p.Orders {
			b.carry(obs, n.Node, n.Orders)
		}
	}
	b.inLine(alive)
}

func copiesOn(row *record.Block, node uint32) bool {
	return slices.ContainsFunc(row.Copies, func(c *record.Held) bool { return c.Node == node })
}
