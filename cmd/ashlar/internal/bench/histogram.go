package bench

import (
	"math"
	"math/bits"
	"time"
)

// subBuckets divides each power of two of nanoseconds; a bucket is at most
// 1/subBuckets of its value wide.
const subBuckets = 64

// Histogram counts durations in buckets at most 2 % wide. The zero Histogram is
// empty. It is not safe for concurrent use; workers keep one each and Merge.
type Histogram struct {
	counts [64 * subBuckets]uint64
	total  uint64
	sum    time.Duration
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	h.counts[slot(d)]++
	h.total++
	h.sum += d
}

// Merge adds what o counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.sum += o.sum
}

// Count returns how many durations were counted.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile returns an upper bound of the q-quantile, 0 < q <= 1, at most 2 %
// above it; 0 of an empty Histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(h.total)))
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if n > 0 && seen >= rank {
			return upper(i)
		}
	}
	return 0
}

func slot(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - bits.Len(subBuckets)
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets
}

func upper(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	return time.Duration((uint64(i%subBuckets+subBuckets)+1)<<shift - 1)
}
