// Package cut turns a stream into the plain bytes of blocks, within a budget.
//
// A [Cutter] cuts at a fixed size, or where the content says so (FastCDC), and
// digests the whole stream on the way. Buffers come from a pool and belong to
// whoever took the [Piece].
//
// Invariants, by name:
//
//   - Same bytes, same pieces. Where a stream is cut depends on its bytes and the
//     block size alone, never on how the source hands them out.
//   - No hold and wait. [Cutter.More] looks ahead without the budget, so that a
//     caller never needs to hold one piece while it waits for another.
package cut
