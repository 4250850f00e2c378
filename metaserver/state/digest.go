package state

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// The running digest proves that replicas agree: MarkDigest has each keep its
// own as it was before the mark's entry, and CompareDigest brings the majority's.

func (a *applier) markDigest() *record.Result {
	mark := toPB(a.next())
	a.cluster.Mark, a.cluster.MarkDigest = mark, a.cluster.Digest
	a.marks = true
	r := a.digestResult(false)
	r.GetDigest().Index = a.index
	return r
}

// Marks tells whether an entry marks the digest.
func Marks(entry []byte) bool {
	var e record.Entry
	return e.UnmarshalVT(entry) == nil && slices.ContainsFunc(e.Commands, func(c *record.Command) bool { return c.GetMarkDigest() != nil })
}

// compareDigest stops this replica if it holds another digest, or another version, at
// the mark. A mark that is no longer the last one proves nothing and does nothing.
//
// Which mark it is, the index of its entry tells: states that have parted give the same
// entry different versions. Where this replica does not know the index of its own, as
// after a snapshot in between, the version has to do.
func (a *applier) compareDigest(q *record.CompareDigest) *record.Result {
	index, at := a.m.marked, fromPB(a.cluster.Mark)
	if a.marks {
		index = a.index
	}
	same := fromPB(q.Mark) == at
	meant := same
	if q.Index != 0 && index != 0 {
		meant = q.Index == index
	}
	differs := meant && !(same && bytes.Equal(q.Digest, a.cluster.MarkDigest))
	if differs {
		a.fail(fmt.Errorf("%w: at the mark %s of entry %d it is %x at %s", ErrDiverged, fromPB(q.Mark), q.Index, a.cluster.MarkDigest, at))
	}
	return a.digestResult(differs)
}

func (a *applier) digestResult(mismatch bool) *record.Result {
	digest := &record.DigestResult{Mark: toPB(fromPB(a.cluster.Mark)), Digest: a.cluster.MarkDigest, Mismatch: mismatch}
	return &record.Result{Version: toPB(a.version()), Body: &record.Result_Digest{Digest: digest}}
}
