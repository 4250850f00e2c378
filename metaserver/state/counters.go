package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// tally is what one block record counts for.
type tally struct {
	phase                 record.Block_Phase
	refs, copies          uint64
	plainBytes, fileBytes uint64
	moving                bool
	asked                 byRedundancy
}

func tallyOf(b *record.Block) tally {
	return tally{b.Phase, b.Refs, uint64(len(b.Copies)), uint64(b.PlainSize), uint64(b.StoredSize), b.Moving != 0, byRedundancyOf(b)}
}

// countBlock adds sign times a record's tally; ^0 is minus one.
func countBlock(c *pb.Counters, t tally, sign uint64) {
	switch t.phase {
	case record.Block_LIVE:
		c.LiveBlocks += sign
		c.LivePlainBytes += sign * t.plainBytes
		c.LiveStoredBytes += sign * t.fileBytes
	case record.Block_UNREFERENCED:
		c.UnreferencedBlocks += sign
		c.UnreferencedStoredBytes += sign * t.fileBytes
	case record.Block_CONDEMNED:
		c.CondemnedBlocks += sign
		c.CondemnedStoredBytes += sign * t.fileBytes
	}
	if t.moving {
		c.MovingBlocks += sign
		c.MovingStoredBytes += sign * t.fileBytes
	}
	c.References += sign * t.refs
	for r, count := range t.asked {
		c.ReferencesByRedundancy[r] += sign * count
	}
	c.CountedCopies += sign * t.copies
	c.CopiesStoredBytes += sign * t.copies * t.fileBytes
	if t.refs > 0 {
		c.ReferencedByCopies[min(t.copies, protocol.MaxRedundancy)] += sign
	}
}

// newCounters has a place for every number of copies that a redundancy can ask
// for; the last one counts those with that many or more.
func newCounters() *pb.Counters {
	return &pb.Counters{
		ReferencedByCopies: make([]uint64, protocol.MaxRedundancy+1), ReferencesByRedundancy: make([]uint64, protocol.MaxRedundancy+1),
	}
}

// countObject adds sign times an object.
func countObject(c *pb.Counters, o *record.Object, sign uint64) {
	c.Objects += sign
	c.LogicalBytes += sign * o.Size
	c.InlineBytes += sign * uint64(len(o.Inline))
}

// countJob adds sign times a job that has left references to take back.
func countJob(c *pb.Counters, left, sign uint64) {
	c.UnreferenceJobs += sign
	c.UnreferenceLeft += sign * left
}
