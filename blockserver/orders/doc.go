// Package orders carries out what the metaservers' leader tells a blockserver to
// do: copy, delete and verify (system.md, Orders), and answers each order once.
//
// An order is idempotent and can find its work done: a copy of a block that is
// held touches it, a delete of what is not there answers that nothing is below.
// A batch runs within a time slice; what it did not begin is handed back, so that
// a slow disk gets less and nothing waits in a queue here. What fails says why, in
// a kind, and changes nothing.
//
// Invariants by name:
//
// Lower is refused. A batch of a lower generation, or of a lower term of the same
// generation, than the highest met is refused whole; the generation is durable
// before the first order of it is carried out. What a lower batch that was let in
// before has not begun by then is handed back, and its deletes have ended. A refusal
// is no acknowledgement.
//
// Verified before visible. Fetched bytes lie in memory until they hash to what was
// ordered; only then does the store see them (reclamation.md, Rules of a block
// server). A fetch holds no lock.
//
// Absent before lost. Lost is answered only when no good file is there and a bad
// one was set aside, durably. An error other than "absent" or "quarantined" is a
// failure, and neither a loss nor an acknowledgement.
package orders
