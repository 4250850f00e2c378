// Package protocol is Ashlar's page of nouns: every word and contract that two
// roles share is defined here, once, and nothing in it does work.
//
// A block is at most [MaxBlockSize] plain bytes, named by its [Hash]. Everything
// that the metaservers agree on happens at a [Version], a pair of generation and
// counter that never goes back. A blockserver that durably holds good bytes says
// so in a [Claim], which names the node, the incarnation it speaks for, the disk
// and how many acknowledgements that disk has made. Objects have a bucket and a
// name ([CheckBucket], [CheckName]). What goes wrong has a [Kind], numbered for
// ever and the same on both ends of the wire ([Error]).
//
// Invariants: the package imports nothing of ours, does no I/O, reads no clock,
// starts no goroutine and holds no lock. Every number and every layout in it is
// pinned by golden tests, because it is persisted or sent. Limits stand in one
// file and their relations are asserted by its test.
package protocol
