// Package bundle turns a folder of plain files into one stream and back. It is
// how a snapshot travels to a member that is too far behind: the folder is a
// Pebble checkpoint, and the stream is made only when somebody needs it.
//
// The stream, big endian:
//
//	header   "ASHS" │ format uint16 │ reserved uint16 │ cluster 16 bytes │ index uint64 │ term uint64 │
//	         state index uint64 │ state term uint64 │ files uint32 │ CRC32C of the 60 bytes before
//	file     name length uint16 │ size uint64 │ name │ bytes │ BLAKE3-256 of this file's fields before
//	trailer  "ASHE" │ BLAKE3-256 of everything before
//
// Files come in ascending order of their names, each once.
//
// Invariants: *all or error* (Read returns nil only if every byte was there and
// every hash is right, every file and the folder are on disk, and nothing
// follows the trailer's place in the stream); *inside* (a name cannot leave the
// folder); *bounded* (a claimed count or size allocates nothing: memory stays at
// one buffer); *known length* (Size tells the stream's exact length before a
// byte is made, from names and sizes alone).
package bundle
