package state

import "testing"

// TestPartition: the first 12 bits of a hash.
func TestPartition(t *testing.T) {
	for hash, want := range map[string]int{"\x00\x0f": 0, "\x00\x10": 1, "\x01\x00": 16, "\xff\xff": 4095} {
		if got := partitionOf([]byte(hash)); got != want {
			t.Errorf("%x is in %d, not %d", hash, got, want)
		}
	}
}
