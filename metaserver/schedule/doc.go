// Package schedule decides what the leader does next about blocks: which orders
// go to which node, and which commands go to the log. It decides from two
// things only, the replicated state and an [Observation] of the moment, and it
// performs nothing: [Next] returns a [Plan], which is data. Package dispatch
// carries plans out, a dry run prints them, the simulation runs thousands of
// them from one seed.
//
// Nothing is queued. The state keeps an index of what each block record implies
// is to be done (package state, Due), in classes; Next reads the beginning of it
// each time. What was sent and has not shown an effect yet is told by
// Observation.InFlight. An order that never had an effect is therefore planned
// again, by this leader or the next, and a plan that is dropped is no loss.
//
// The classes of system.md (Orders), in order:
//
//   - redundancy: a live block has fewer than R counted copies. A copy order goes
//     to a node that lacks one, blocks with the fewest copies first.
//   - move: a sweep found that a block's copies do not stand where the placement
//     has them. Copy orders go to the nodes that lack one; when all of them hold
//     trusted copies, those elsewhere are dropped. Beside it, the sweep that runs
//     takes its next step while not too many blocks are marked.
//   - delete: a node has not acknowledged a condemnation or a drop. Deletes have
//     their own share of a node's slots, so that neither they nor copies wait for
//     each other.
//   - condemn: a block is unreferenced and its grace is over. A command.
//   - reap: a condemned block has no node pending. A command, which also moves W
//     on when strays wait for that.
//
// Cleaning the mentions of removed nodes goes beside them, one bounded step a
// plan.
//
// [Settle] turns the answers to orders into commands: what was deleted, copied
// or lost, and Postpone for what failed, with a backoff drawn from the
// observation's chance. [Strays] judges a page of a node's inventory by the rule
// Stray of reclamation.md, and [Verify] makes a node look at copies that somebody
// doubts.
//
// Invariants by name:
//
//   - Safe by the state. An order (delete, h, t) is made only with t <= fl(h) of
//     the view, a copy order only at the view's version. No clock, observation or
//     answer weakens that: a wrong observation costs time, never bytes.
//   - One at a time. No order is planned for a (hash, node) that is in flight.
//   - Credit. No node is sent more than its free slots, nor more than the settings
//     allow; a node that does not answer is sent nothing and delays nobody.
//   - Ready before retries. Within a lane what never failed comes first.
//   - Bounded. Rows looked at, orders, and items and number of commands have named
//     limits (Limits); a cursor carries a scan that met only blocked rows on to
//     the next plan, so that what is blocked hides nothing.
//   - Explained. What cannot be done now is counted in Plan.Waiting with what it
//     waits for.
//
// The package is pure: no I/O, clock, goroutine, lock, global, randomness or
// iteration over a map. The same state and observation give the same plan.
package schedule
