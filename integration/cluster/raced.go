//go:build race

package cluster

// Raced tells whether this program is built with the race detector. The members
// are processes of their own and are not: under -race, a scenario would only
// repeat what it shows without, in twice the time. What the members are made of
// is raced by the tests of its rooms and of embedded clusters, the SDK besides by
// one run of integration/torture; its flag -torture.race builds the members so too.
const Raced = true
