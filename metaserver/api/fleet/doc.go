// Package fleet answers the operator's verbs about blockservers, the layout and
// the jobs that move blocks.
//
// Looking is free: nodes, plans, history and jobs are reads of the state, completed
// with what the leader has observed, which is marked as such on the wire. Changing
// is compare-and-set: a plan names the layout version and the table that it is
// about, apply proposes just that, and the state machine refuses it if anything has
// moved on. A node's state is set from the state and incarnation that were looked
// at a moment before.
//
// Invariants by name:
//
// Plan and apply are one. The plan and the entry compute the table with the same
// function of the state; what was shown is what is done, or nothing is.
//
// Repeated is done. A verb whose answer was lost is sent again by clients; where
// what it asked for already stands, the answer is success.
//
// Cause and next step. A refusal says what stands against it and what to do about
// that.
package fleet
