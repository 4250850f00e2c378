// Package logstore keeps what raft must not forget: the log, the current term
// and the vote. Below it is hashicorp's raft-boltdb on bbolt; this package adds
// the rules that a log needs and raft does not ask for.
//
//   - *torn vote*: raft saves a vote as two keys, term and candidate, in two
//     transactions. A crash between them would leave the new term with the old
//     candidate, and the member could vote twice. Here the term waits in memory,
//     and both are written as one key.
//   - *no answer after a failed write*: after the first error of a write, a sync
//     or a read, nobody knows what is on disk. The store tells OnFatal and then
//     holds the caller, and every later one, until Release: raft cannot answer
//     anyone in the meantime.
//   - *contiguous*: entries follow each other by one and their terms never go
//     down. Only a snapshot may stand between two entries; then the older ones
//     are dropped first, so that the log has no hole.
//   - *bridge*: the entry that the newest snapshot ends with is known by index and
//     term even when the log has let go of it. Without that a follower whose log
//     differs right after it refuses every entry, for ever (hashicorp/raft issue 697).
//   - *stall*: how long the write under way has taken is told, because raft's
//     heartbeats go on while its disk does not.
//   - *identity*: the file knows its cluster and member, and opens for no other.
package logstore
