// Package blockfile knows the bytes of a block file: its header, its zstd frames,
// and how both are checked. It does no I/O.
//
// A block file is a zstd file that any zstd tool reads: a skippable frame with
// what the store needs to know ([Header]), then frames that hold the plain bytes,
// each with its checksum. Only the two version slots of the header ever change
// after the file has got its name, one at a time, so that a torn change leaves
// the other ([Header.Raise]).
//
// A [Codec] turns bodies into stored bytes and back, with bounded memory: what a
// frame says about itself is believed only up to the declared size, and the
// plain bytes are checked against the hash before anybody sees them.
//
// Invariants, by name:
//   - The hash decides: no bytes leave Decode that do not hash to the name.
//   - Bounded decode: never more than the declared plain bytes, never a window
//     above protocol.MaxBlockSize, never a dictionary, never a byte that belongs
//     to no frame.
//   - A version only grows: Raise never lowers what Version returns, however the
//     write of its slot is torn.
package blockfile
