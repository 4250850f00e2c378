// Package state is the metadata state machine: what a cluster agrees on, as one
// ordered table that only the log changes.
//
// An entry of the log is a list of commands ([record.Entry]). [Machine.Apply]
// runs them in order against an overlay of the table and writes everything they
// changed as one sorted, atomic batch, together with the index and term of the
// entry, the counters and the running digest. Each command is one rule of
// docs/design/reclamation.md or system.md, in one file with one test of that
// name: commit.go, unreference.go, copied.go, register.go, session.go,
// upload.go, delete.go, deleteprefix.go, settings.go, bootstrap.go, digest.go,
// member.go; those of the trash are bucket.go, undelete.go and emptytrash.go, with
// trash.go on what it is and end.go on how every object ends; those of reclamation
// are condemn.go, drop.go, deleted.go, reap.go, lost.go, removenode.go with
// cleannode.go, generation.go and inventory.go; postpone.go, retrynow.go and
// reindex.go keep the schedule; and changelayout.go, setnodestate.go, sweepstep.go,
// movesettled.go and cancelsweep.go are those of nodes and layout. A rule first reads and judges,
// then changes: a refused command has changed nothing. What a command was decided
// on travels in it and is checked again here, its form and limits included, since
// a log may hold anything. A command of many items is not refused for one of them:
// items that are stale, or that the entry has no room for, are ignored.
// Under a session a command's outcome, a refusal included, is kept for its
// sequence; a client that brings new facts uses a new one.
//
// Every block record changes through draft.go, which keeps what is derived from
// records: the counters, each node's count of critical blocks, and the schedule
// index (index.go), whose rows are the work that a record implies. A live block
// with all its copies has no row there. Work that failed is postponed in its row;
// nothing else is stored of it, so a new leader begins from the same index.
//
// Where blocks are to stand follows from the layout and from which nodes are away
// ([Wanted]); package placement makes the table. When either changes, a sweep
// (sweep.go) looks at every record in hash order and marks those whose copies
// stand elsewhere: a mark is work of class [ClassMove]. A sweep goes by the
// placement at each step, so a newer one supersedes it, and it is done when it was
// walked to the end and no record is marked any more, whatever has cleared the
// last mark.
//
// Reading ([Lookup], [List], [TrashList], [Bucket], [Prepare], [Layout], [BlockInfo],
// [Status], for the trash [DueTrash], for the schedule [Due], [Lanes], [WorkAbout],
// [BlockRow], [SessionsLowWater], and for operators [NodeInfos], [PlanLayout],
// [LayoutHistory], [Sweeps], [StopCheck], [Audit]) works over any [Reader], so over the
// live table and over a view of it alike. Blocks
// are counted by reference.go, which Commit, uploads and Copied share.
//
// What a command takes away is kept in the audit (audit.go), by the same entry: an
// object, the last reference to a block, a block, a copy, a node. It is bounded,
// and an entry that adds to it lets the oldest rows go.
//
// The checks that safety rests on have names ([Rule]), and mutation tests open a
// machine without one of them ([OpenWithout]) to see that its loss is noticed.
//
// Invariants, each a function of check.go, which tests run after every step:
//
//   - references: the references of objects, live or in the trash, open uploads and
//     jobs, counted per hash, are exactly the refs of block records.
//   - phases: live if and only if referenced; condemned has neither copies nor
//     drops; only condemned has pending nodes.
//   - floors: nothing is above the present version, and no drop above its floor.
//   - drops: a copy on a node whose drop is outstanding is at the drop's t or above.
//   - schedule: the index is what the block records imply, no more and no less.
//   - critical, holders: each node's counts of critical blocks, copies and deletes
//     owed are those of a recount.
//   - nodes: copies, drops and pending name nodes that the log has admitted.
//   - layout: every partition names distinct nodes that blocks are placed on.
//   - layouts, sweeps: those kept are few; only the last sweep runs, and only while
//     something is left of it.
//   - marks: only live blocks are marked; what a sweep has passed is marked or in
//     line, and so is what stands on a node being drained once a sweep is done.
//   - sessions: each was opened at some version; every result row belongs to an open
//     session and its window.
//   - uploads: pages are contiguous and belong to an upload, object or job.
//   - trash: a trashed object is whole and has one row by its due time; buckets: a
//     bucket's row says something.
//   - objects, jobs: contents are whole; a job has something left.
//   - prefixes: behind a delete of a prefix no object is left that it was to end.
//   - audit: rows are of known kinds and of the past, and the oldest is known.
//   - counters: those kept by apply are those of a recount.
//
// The package is pure: no I/O of its own, no clock, no randomness, no goroutine,
// no lock, no global that changes, and no iteration over a Go map. Two replicas
// that apply the same entries hold the same rows, bit for bit, and the same
// digest, which covers every changed row and the digest before. Text for people
// (the detail of an error) is never persisted, so that builds with other words
// still agree.
package state
