package state

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// A reference asks for a redundancy: that of its bucket when it came, or 0, which
// is the cluster's as it is set. Buckets share blocks, so a block's R is the
// highest that any of its references asks for, and falls when the last of these
// goes. Its Q is the cluster's, or R where that is less: 1 <= Q <= R holds of every
// block (reclamation.md, Words).

// thresholds are the numbers of the settings that decide what a record implies.
type thresholds struct{ redundancy, quorum uint32 }

// of are a block's R and Q.
func (t thresholds) of(b *record.Block) thresholds { return t.at(redundancyOf(b, t.redundancy)) }

func (t thresholds) at(redundancy uint32) thresholds {
	return thresholds{redundancy, min(t.quorum, redundancy)}
}

// lacks: a live block has fewer copies than these limits of its own ask for.
func (t thresholds) lacks(b *record.Block) bool {
	return b.Phase == record.Block_LIVE && uint32(len(b.Copies)) < t.redundancy
}

// asked are R and Q of a block whose references all ask for redundancy.
func (t thresholds) asked(redundancy uint32) thresholds {
	return t.at(cmp.Or(redundancy, t.redundancy))
}

// settingsOf are the present thresholds.
func settingsOf(c *record.Cluster) thresholds {
	return thresholds{c.Settings.GetRedundancy(), c.Settings.GetQuorum()}
}

// redundancyOf is a block's R, in a cluster of this redundancy.
func redundancyOf(b *record.Block, clusters uint32) uint32 {
	highest := uint32(0)
	if own := ownReferences(b); own < b.Refs || own == 0 {
		highest = clusters
	}
	for _, l := range b.Levels {
		highest = max(highest, l.Redundancy)
	}
	return highest
}

// gainReferences gives a record count references that ask for redundancy.
func gainReferences(b *record.Block, redundancy uint32, count uint64) {
	b.Refs += count
	if redundancy == 0 {
		return
	}
	at, found := findLevel(b, redundancy)
	if !found {
		b.Levels = slices.Insert(b.Levels, at, &record.Level{Redundancy: redundancy})
	}
	b.Levels[at].Refs += count
}

// loseReference takes one back, and reports whether there was one.
func loseReference(b *record.Block, redundancy uint32) bool {
	if b.Refs == 0 || redundancy == 0 && b.Refs == ownReferences(b) {
		return false
	}
	if redundancy > 0 {
		at, found := findLevel(b, redundancy)
		if !found {
			return false
		}
		if b.Levels[at].Refs--; b.Levels[at].Refs == 0 {
			b.Levels = slices.Delete(b.Levels, at, at+1)
		}
	}
	b.Refs--
	return true
}

func findLevel(b *record.Block, redundancy uint32) (at int, found bool) {
	return slices.BinarySearchFunc(b.Levels, redundancy, func(l *record.Level, r uint32) int { return cmp.Compare(l.Redundancy, r) })
}

// ownReferences counts those that do not ask for the cluster's redundancy.
func ownReferences(b *record.Block) (own uint64) {
	for _, l := range b.Levels {
		own += l.Refs
	}
	return own
}

// byRedundancy counts references by what they ask for: 0 is the cluster's.
type byRedundancy [protocol.MaxRedundancy + 1]uint64

func byRedundancyOf(b *record.Block) (n byRedundancy) {
	n[0] = b.Refs
	for _, l := range b.Levels {
		if l.Redundancy <= protocol.MaxRedundancy {
			n[0] -= l.Refs
			n[l.Redundancy] += l.Refs
		}
	}
	return n
}

// HighestRedundancy is the highest R that a block may have.
func HighestRedundancy(c *record.Cluster) uint32 {
	highest := c.Settings.GetRedundancy()
	for r, count := range c.Counters.GetReferencesByRedundancy() {
		if count > 0 {
			highest = max(highest, uint32(r))
		}
	}
	return highest
}

// redundancyIn is what references of objects that come to the bucket ask for.
func (a *applier) redundancyIn(bucket string) uint32 {
	row := &record.Bucket{}
	a.load(keyBucket(bucket), row)
	return row.Redundancy
}

// checkRedundancy accepts what a bucket may ask for.
func checkRedundancy(r uint32) error {
	if r > protocol.MaxRedundancy {
		return protocol.Errorf(protocol.InvalidArgument, "a bucket's blocks have 1 to %d copies, or 0 for as many as the cluster's, not %d", protocol.MaxRedundancy, r)
	}
	return nil
}

// addReferences fills in what a block's references ask for, where one asks for a
// redundancy of its own.
func addReferences(ans *pb.BlockInfoAnswer, b *record.Block) {
	if len(b.Levels) > 0 {
		n := byRedundancyOf(b)
		ans.ReferencesByRedundancy = n[:]
	}
}

// checkLevels: references are counted by redundancy in order, each once and none
// of them empty, and all of them are among the references.
func checkLevels(b *record.Block) error {
	last := uint32(0)
	for _, l := range b.Levels {
		if l.Redundancy <= last || l.Redundancy > protocol.MaxRedundancy || l.Refs == 0 {
			return fmt.Errorf("counts %d references of redundancy %d after %d", l.Refs, l.Redundancy, last)
		}
		last = l.Redundancy
	}
	if own := ownReferences(b); own > b.Refs {
		return fmt.Errorf("has %d references and %d that ask for a redundancy of their own", b.Refs, own)
	}
	return nil
}
