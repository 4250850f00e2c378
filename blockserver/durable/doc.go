// Package durable holds the file verbs that sync: the one room that knows how
// bytes and names become durable, so that it is right once.
//
// A file's bytes are durable after its Sync, its name after SyncDir of its
// directory, and a new directory after SyncDir of its parent. Nothing else
// counts: not a write, not a rename, not a close. [FS] is the seam; [OpenReal]
// is the real file system below one folder, and package crashfs is one in memory
// that loses everything the rules allow it to lose.
//
// Invariants, by name:
//   - Absent is ENOENT: only fs.ErrNotExist means that a name is not there.
//   - A failed sync is final: it is never repeated, because the system marks the
//     pages clean and a second sync would succeed without them.
//   - Stays below its root: no name leads out, and no link is followed to a file.
//
// Assumed of the system, and not checked: a write in place changes no bytes beside
// it, whatever tears it; and what a failed sync lost is seen to be lost by the
// next process, because the file system was unmounted or went read-only.
package durable
