// Package replica is one member of the Raft group: the only room that knows
// hashicorp/raft. Commands go in through Propose, moments of the state come out
// through View, and Leadership says when the leader's work may begin.
//
// # What a command goes through
//
// Propose queues it; a batcher packs the commands that wait into one log entry
// (record.Entry, whose commands stand one behind the other) and hands it to raft,
// while a few entries before it are still being synced and replicated. Raft
// stores it (package logstore), has a majority store it (package link is the
// port), and the applier, one goroutine, gives it to state.Machine, which writes
// one atomic batch that also holds the entry's index and term. Then readers see
// it, and then the proposer is told. What an error means is in Propose's comment;
// UnknownOutcome is said whenever raft may have the entry and nothing came back.
//
// # What is durable
//
// The raft log is the state's write-ahead log: the state's own batches are not
// synced. A snapshot is a Pebble checkpoint, synced before raft cuts the log
// behind it, so at any start log, snapshots and state overlap: entries that the
// state has are skipped by their index. guard.go refuses a folder where they do
// not. A snapshot's cost is that of hard links; it becomes a stream (package
// bundle) only when a member has to install it. Installing makes a new state
// beside the old one and then renames CURRENT onto it; who still reads the old one
// reads on.
//
// # Linearizable reads
//
// A read may be answered by a leader of term T which has applied an entry of its
// own term (Leadership tells only that), if after the read's arrival a majority of
// voters, the leader included, says that its current term is still no higher than
// T. The argument:
//
//  1. A member's term is durable before it votes in it, and never goes down. One
//     that says T at some moment has not voted in a higher term before.
//  2. A leader of a higher term needs votes of a majority of voters. One of them
//     is among those asked, in this configuration and in any that differs by one
//     member, and it voted after it was asked: after the read's arrival.
//  3. So every command acknowledged before the read's arrival was acknowledged by
//     this leader or by one of a lower term. The first it has applied before it
//     acknowledged. The second were committed when it was elected, so they stand
//     in its log before its own term's entry, which it has applied.
//
// Its applied state is therefore new enough, at any moment after the round. No
// clock is used, and nothing is written. Raft's own VerifyLeader is not enough: it
// takes acknowledgements that were given before the read arrived. Reads that arrive
// together share a round, and a round never counts an answer to an older question.
//
// # Invariants
//
//   - *one history*: log, snapshots and state in a folder are of one cluster, one
//     member and one history, or the replica does not start.
//   - *seen before told*: a result is told only after every later View here shows
//     its effect.
//   - *fail-stop*: after a failed write or sync, or a state that differs from the
//     majority's, this member answers nobody any more, its port is closed, and
//     OnFatal is told once.
//   - *removed by the log*: a member is told that it was removed only by a
//     configuration that is committed: its own log's, or that of a leader which has
//     made sure after the question that it leads (watch.go). Who is told so ends and
//     is wiped, so a change that may still be lost must not say it.
//   - *bounded*: proposals, reads, entries in flight, connections, calls and
//     snapshots have named limits (config.go).
//
// Raft's settings that are not its defaults: no pipelining (MaxRPCsInFlight 1),
// whose answers and calls would interleave; heartbeats change the term on raft's main
// loop only, and a deposed leader sends no entries (package link); no restore at
// start, for the durable state is at least as new as guard.go demands; NotifyCh is
// always drained; pre-vote stays on.
package replica
