// Package health turns what a leader sees of the blockservers into entries of the
// log: a node that has not answered for a while is down, one that has not for long
// is away and its copies are made again elsewhere, one that answers is up, a
// draining one with nothing left is drained, and, if the settings say so, one that
// joined enters the layout.
//
// [Decide] is the decision, a function of the nodes' rows, of how long each has
// been silent by this leader's own timers, and of the settings. [Loop] looks,
// decides and proposes. Each proposal carries the state and incarnation that it was
// decided on, and apply judges it again: a late or a second leader's word changes
// nothing that has changed meanwhile.
//
// The loop also measures how fast jobs go (pace.go), from what the state says of
// them at each look; [Jobs] is that account.
//
// Invariants by name:
//
// Clocks only decide when to try. Silence is measured by a timer of this process
// that begins anew with each leadership, never by comparing clocks, and no entry
// depends on how long it was.
//
// Somewhere to go. A node's copies are made again elsewhere only while as many
// other nodes are up and answer as there are copies of a block: a leader that is
// cut off from most nodes moves nothing.
//
// Forgets. A Loop is made for one leadership and dies with it.
package health
