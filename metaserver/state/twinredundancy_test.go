package state_test

// redundancyOf is the highest that the block's references ask for; 0 without any.
func (w *twin) redundancyOf(b *twinBlock) (highest int) {
	if b == nil {
		return 0
	}
	for r, count := range b.asked {
		if r == 0 {
			r = w.redundancy
		}
		if count > 0 {
			highest = max(highest, r)
		}
	}
	return highest
}

// highest is the redundancy that any block may have.
func (w *twin) highest() int {
	out := w.redundancy
	for _, b := range w.blocks {
		out = max(out, w.redundancyOf(b))
	}
	return out
}

// askedBy is what objects of a bucket ask for: those of any but the twin's own ask
// for what the cluster's do.
func (w *twin) askedBy(bucket string) int {
	if bucket != "random" {
		return 0
	}
	return w.asked
}
