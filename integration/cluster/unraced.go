//go:build !race

package cluster

// Raced tells whether this program is built with the race detector: no.
const Raced = false
