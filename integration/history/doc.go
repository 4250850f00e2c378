// Package history writes down what clients did and were told, and judges whether
// one store could have told it.
//
// A client records every operation with the moments of its call and its return,
// by one monotonic clock of the test's process, and with what it was told. The
// judges then look for a contradiction:
//
//   - Registers: each key is a register with conditional writes (put, delete, get,
//     stat, with versions). Every operation must have taken effect at one moment
//     between call and return, so that each answer is what that moment says.
//     github.com/anishathalye/porcupine searches for such an order.
//   - Listings: each prefix is a map of a few keys; listings are answers about all
//     of them at one moment. All operations on the prefix are judged together.
//   - Versions: they come from one counter of the log, so a write that returned
//     before another was called has the lower version, in the whole store; one
//     version is one content; what was never put, or certainly refused, is never
//     read.
//   - Sessions: what one client reads at session level never goes back behind
//     what it has seen.
//
// # What is open
//
// An operation whose outcome is unknown stays open: it may take effect at any
// moment after its call, or never, so it returns after everything else. If its
// content was read by anybody, it took effect before that reader returned, at the
// version that was read; that is said to the search, which is then stricter and
// quicker. A write that certainly did not happen, and a read that was not
// answered, say nothing and are left out. A write that was refused by its
// precondition is a read of the fact that refused it.
//
// # Invariants
//
//   - Unknown is not clean: a search that ran out of time is counted apart.
//   - Only linearizable reads are judged by the strict models; session and stale
//     reads carry their level.
//   - Every put has a tag of its own, so that a content, even one that is equal to
//     another's, names who wrote it.
package history
