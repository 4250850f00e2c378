// Package client is Ashlar's SDK: objects by bucket and name, kept as
// deduplicated, content-addressed blocks.
//
// [Open] finds a metaserver, pins the cluster and returns a [Client], which is
// safe for concurrent use and meant to be kept. [Client.Put] cuts a stream into
// blocks, hashes and compresses them, asks which ones are already live, sends
// the others to as many blockservers at once as their bucket wants copies
// ([Client.SetBucket]), and commits the name when a quorum of them has acknowledged
// each; all of that overlaps, in memory bounded by Config.MemoryBudget.
// [Client.Get] returns a [Reader] that reads ahead, takes
// each block from its best copy, races a slow one, and goes to the next copy on
// any failure. [Client.List], [Client.Stat], [Client.Delete] and the block verbs
// do what they say.
//
// Errors have kinds: errors.Is(err, client.ErrNotFound) and so on.
//
// Invariants, by name:
//
//   - Verified. No byte is returned that was not checked against the hash of its
//     block, and data is never cut short without an error.
//   - Exactly once. A change takes effect once or not at all, across retries and
//     leaders. When that cannot be told any more the error is ErrUnknownOutcome,
//     and the change is never repeated behind the caller's back.
//   - Committed means kept. Put returns without error only when the metaservers
//     have counted a quorum of durable copies of every block: the cluster's, or as
//     many as the bucket wants where that is fewer.
//   - Bounded. The bytes of puts and of read-ahead stay within the budget,
//     whatever the object's size and however many calls run; a Reader holds at
//     most two blocks besides. Every retry has a named cap.
package client
