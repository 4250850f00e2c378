package torture

import (
	"math/rand/v2"
)

const (
	// blockSize cuts the objects of a run, so that they have several blocks.
	blockSize = 4 << 10
	// sharedBlocks is how many blocks many objects have in common.
	sharedBlocks = 8
)

// contents makes what is put: small ones that live in metadata, larger ones of
// several blocks, some of which are equal on purpose. Blocks that are shared are
// given up by one writer and taken up by another while they are reclaimed.
type contents struct{ shared [sharedBlocks][]byte }

func newContents(seed uint64) *contents {
	c := &contents{}
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range c.shared {
		c.shared[i] = noise(r, blockSize)
	}
	return c
}

// draw makes one content; a small one is unlike all others because of its tag.
func (c *contents) draw(r *rand.Rand, tag string) []byte {
	n := 2 + r.IntN(3)
	switch k := r.IntN(10); {
	case k < 5:
		return append([]byte(tag), noise(r, r.IntN(1000))...)
	case k < 7:
		return noise(r, n*blockSize-r.IntN(blockSize))
	case k < 8:
		// The same few blocks as others have, in the same order.
		first := r.IntN(2)
		return append(append([]byte(nil), c.shared[first]...), c.shared[first+1]...)
	}
	var out []byte
	for range n {
		if r.IntN(2) == 0 {
			out = append(out, c.shared[r.IntN(sharedBlocks)]...)
		} else {
			out = append(out, noise(r, blockSize)...)
		}
	}
	return out
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
