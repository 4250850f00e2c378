// Package table holds the two ordered tables that the metadata state can stand
// on: [Pebble] on disk, and [Memory], its twin for tests and simulation. Both
// keep the contract of state.Table, and package tabletest asks both the same
// questions.
//
// Keys are byte strings in byte order. Write is atomic: a reader sees all of a
// batch or nothing. Scan goes over [lower, upper); an empty upper means no bound. A View is an immutable moment, cheap to take and to keep.
//
// A table does not promise that a Write is durable: the Raft log is the write
// ahead log, and the applied index that lies in every batch says from where to
// replay. What Pebble promises is that a crash leaves a prefix of the batches,
// never a part of one; that Sync and Checkpoint make durable what was written
// before; and that after a failed write nothing is answered any more.
//
// Invariants: *prefix* (what survives is a prefix of what was written, batch by
// batch); *moment* (a View never changes); *poison* (after the first failure of
// the disk every verb fails, and OnFatal has been told); *no new database by
// accident* (only Create makes one: an empty folder is not an empty state).
package table
