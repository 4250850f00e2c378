package bench

import (
	"encoding/binary"
	"math/rand/v2"
)

// Content makes the bytes of operation n of a worker, never the same twice in a
// run, so that no block is deduplicated by accident.
type Content struct {
	Seed uint64
	Size int
	// Compressible makes text of a few hundred words instead of random bytes.
	Compressible bool
	// Salt tells measurements of one run apart.
	Salt uint64

	base []byte
}

// Prepare makes the bytes that all operations start from. It must be called
// before Fill.
func (c *Content) Prepare() {
	random := rand.New(rand.NewPCG(c.Seed, 1))
	c.base = make([]byte, c.Size)
	if !c.Compressible {
		fill(random, c.base)
		return
	}
	words := make([][]byte, 400)
	for i := range words {
		words[i] = make([]byte, 2+random.IntN(9))
		for j := range words[i] {
			words[i][j] = 'a' + byte(random.IntN(26))
		}
	}
	for at := 0; at < c.Size; {
		at += copy(c.base[at:], words[random.IntN(len(words))])
		at += copy(c.base[at:], " ")
	}
}

// Fill writes the bytes of operation n of worker into b, which has Size bytes:
// the base, marked every 4 KiB, so that every block of it is new at little cost.
func (c *Content) Fill(b []byte, worker, n int) {
	copy(b, c.base)
	var mark [24]byte
	binary.BigEndian.PutUint64(mark[:], uint64(worker)<<32|uint64(n))
	binary.BigEndian.PutUint64(mark[8:], c.Seed)
	binary.BigEndian.PutUint64(mark[16:], c.Salt)
	for at := 0; at < len(b); at += 4096 {
		copy(b[at:], mark[:])
	}
}

func fill(random *rand.Rand, b []byte) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, random.Uint64())
		b = b[8:]
	}
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}
