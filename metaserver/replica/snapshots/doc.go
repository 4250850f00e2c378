// Package snapshots is raft's SnapshotStore: a folder of Pebble checkpoints.
//
// This member's own snapshot costs hard links, whatever the state's size: the
// applier takes a checkpoint beside the store, and [Sink.Adopt] renames it in. A
// leader's snapshot comes as a stream (package bundle), which the Sink unpacks and
// verifies while it comes. Either way Close writes meta.json, and renames the
// finished folder to its id: that is the commit point. Open streams a snapshot
// only when somebody has to install it.
//
// Invariants: *whole* (what has an id is complete and durable; what has not is
// swept at the next start); *never opened* (a checkpoint's files are linked, copied
// or streamed, and never written); *read to the end* (a snapshot that somebody
// reads stays until they have closed it, though only [Keep] are kept).
package snapshots
