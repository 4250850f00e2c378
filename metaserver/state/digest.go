package state

import (
	"bytes"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// The running digest proves that replicas agree: MarkDigest has each keep its
// own as it was before the mark's entry, and CompareDigest brings the majority's.

// markDigest sets one mark in an entry, for the entry's index is its name: a second
// command of the same entry is told of the first one's.
func (a *applier) markDigest() *record.Result {
	if a.cluster.MarkIndex == a.index {
		return a.digestResult(false)
	}
	a.cluster.Mark, a.cluster.MarkDigest, a.cluster.MarkIndex = toPB(a.next()), a.cluster.Digest, a.index
	return a.digestResult(false)
}

// compareDigest stops this replica if it holds another digest, or another version, at
// the mark. A mark that is no longer the last one proves nothing and does nothing.
//
// Which mark it is, the index of its entry tells: states that have parted give the same
// entry different versions.
func (a *applier) compareDigest(q *record.CompareDigest) *record.Result {
	at := fromPB(a.cluster.Mark)
	same := fromPB(q.Mark) == at
	meant := same
	if q.Index != 0 && a.cluster.MarkIndex != 0 {
		meant = q.Index == a.cluster.MarkIndex
	}
	differs := meant && !(same && bytes.Equal(q.Digest, a.cluster.MarkDigest))
	if differs {
		a.fail(fmt.Errorf("%w: at the mark %s of entry %d it is %x at %s", ErrDiverged, fromPB(q.Mark), q.Index, a.cluster.MarkDigest, at))
	}
	return a.digestResult(differs)
}

func (a *applier) digestResult(mismatch bool) *record.Result {
	digest := &record.DigestResult{Mark: toPB(fromPB(a.cluster.Mark)), Digest: a.cluster.MarkDigest, Index: a.cluster.MarkIndex, Mismatch: mismatch}
	return &record.Result{Version: toPB(a.version()), Body: &record.Result_Digest{Digest: digest}}
}
