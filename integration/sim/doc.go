// Package sim runs a whole cluster in one goroutine from one seed: the real
// state machine, planner and block store, with everything around them made up.
//
// The log is a slice. Three metaservers apply it at their own speeds, so that a
// leader, and each leader that was deposed and does not know it, is a view of a
// prefix; exactly one is right, and the others plan and send all the same. Their
// plans are those of package schedule, carried out as package dispatch does.
// Blockservers are the real store on crashfs and the real orders.Worker, called
// one operation at a time: the store's committer has a goroutine of its own, and
// as long as one operation is under way on a node, what it does and in which
// order follows from the operation alone. The network is a heap of messages with
// seeded delays that loses, repeats and reorders. Clients stall, crash and retry
// within sessions. Nodes crash with unsynced writes lost, in the middle of an
// operation too; they vanish, are removed, get rotten bytes, failing syncs and
// disks restored from an old image. The metadata is restored from a backup and
// starts a generation. Clocks differ, jump, stand still and run backwards.
//
// After every event the checkers look at everything at once (checkers.go):
//
//   - copies: a counted, trusted copy is a good file at its version or above.
//   - survival: a referenced block has Q counted copies that exist, as long as no
//     disk lost one since its last commit.
//   - quorum: a block that is there gains references only with Q trusted copies.
//   - orders: no delete order of this generation can take a counted copy away.
//   - claims: what a node acknowledges is there.
//   - floors: fl(h) and W never fall.
//   - once: a sequence of a session has one outcome.
//   - agreement: replicas hold the same digest at the same index.
//   - state: the invariants of package state, the recount of counters included.
//   - quiet: after the faults stop, within a bounded number of events, nothing
//     dead is left: no row, no file, no work, and what lives has R copies.
//
// "Nothing waits on a clock" is not one of them: it is what the others show, since
// every run has arbitrary clocks.
//
// [Run] runs one seed and tells what failed; the same seed runs the same way
// again, and [Shrink] looks for less that still fails. [Mutants] lists what is
// left out, one rule at a time, to see that the checkers notice.
package sim
