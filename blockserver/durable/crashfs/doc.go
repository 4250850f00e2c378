// Package crashfs is a durable.FS in memory that forgets. It keeps, beside what
// every reader sees, what the rules call durable, and a crash leaves only that,
// plus whatever a seed decides to have reached the disk by luck.
//
// What a crash may do, each by the seed's choice:
//   - bytes written since a file's last sync are kept or lost by sectors of 512
//     bytes, and a sector's part may be torn at any byte; bytes beside the
//     written range never change;
//   - a length may grow without the bytes, which then read as zeros;
//   - each name of a directory falls back to any point of its history since the
//     directory's last sync, by itself: a rename may leave both names or none.
//
// What a fault may do: a verb fails before or after its effect ([Fault]), a write
// that fails leaves a part, and a sync that fails decides there and then what is
// kept of the bytes, while readers go on seeing all of them and a second sync
// succeeds without them.
//
// [FS.Crash] is a power cut, [FS.Restart] a killed process. Both leave the old
// FS dead, so that a store under test cannot go on writing.
//
// Invariants: same seed and same verbs, same outcome; no clock, no chance of its
// own, no goroutine.
package crashfs
