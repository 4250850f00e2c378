package state

import (
	"bytes"
	"fmt"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
)

// The running digest proves that replicas agree: MarkDigest has each keep its
// own as it was before the mark's entry, and CompareDigest brings the majority's.

func (a *applier) markDigest() *record.Result {
	mark := toPB(a.next())
	a.cluster.Mark, a.cluster.MarkDigest = mark, a.cluster.Digest
	return a.digestResult(false)
}

// compareDigest stops this replica if it holds another digest at the mark. A
// mark that is no longer the last one proves nothing and does nothing.
func (a *applier) compareDigest(q *record.CompareDigest) *record.Result {
	differs := fromPB(q.Mark) == fromPB(a.cluster.Mark) && !bytes.Equal(q.Digest, a.cluster.MarkDigest)
	if differs {
		a.fail(fmt.Errorf("%w: at the mark %s it is %x, not %x", ErrDiverged, fromPB(q.Mark), a.cluster.MarkDigest, q.Digest))
	}
	return a.digestResult(differs)
}

func (a *applier) digestResult(mismatch bool) *record.Result {
	digest := &record.DigestResult{Mark: toPB(fromPB(a.cluster.Mark)), Digest: a.cluster.MarkDigest, Mismatch: mismatch}
	return &record.Result{Version: toPB(a.version()), Body: &record.Result_Digest{Digest: digest}}
}
