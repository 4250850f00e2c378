// Package dispatch is the work that only the leader does, beside answering
// requests: it carries out what follows from the state.
//
// The moment a replica becomes leader, [Dispatcher.Run] starts with an empty
// memory; when it loses leadership everything learnt is forgotten. Nothing is
// queued here: each loop reads the state, asks a pure planning function what is to
// be done, proposes or sends that, and looks again. A leader that dies in the
// middle loses nothing, and two leaders that do the same work disturb nothing,
// since each command carries the facts it was decided on and apply checks them.
//
// There are seven loops, one file each:
//
//   - unreference takes back the references of ended objects, a bounded command at
//     a time (reclamation.md, Unreference). It wakes when a commit may have ended
//     an object, and on a slow tick.
//   - trash has objects taken out of the trash for good that are due by this
//     machine's clock. What is due is a fact of the state, as is what a command
//     names; the clock only says when to look.
//     a time and at the pace of the settings (reclamation.md, Unreference). It wakes
//     when a commit may have ended an object, and on a slow tick.
//   - deleteprefix ends the objects of deletes of prefixes, a step at a time and at
//     the pace of the settings, and waits while what it has ended piles up.
//   - pings asks every blockserver whether it answers. The result is an
//     observation, shown to clients and never written to the log.
//   - sessions proposes the end of sessions that did not move for a number of the
//     leader's own rounds, naming the sequence it decided on.
//   - digests marks the running digest every so many versions and has all replicas
//     compare theirs with the majority's.
//   - rounds asks package schedule for a plan, pushes each node its orders
//     (send.go), has the answers settled into commands, and proposes the plan's
//     own. A round follows what happened, a row that is due, or a tick.
//   - walks reads every node's inventory, a page now and then, and at once and
//     whole while a node is suspect; what follows from a page are errands, which
//     share the node's slots with planned orders. At its end the node is no longer
//     suspect, if every copy counted on it was borne out.
//
// What a leadership learns of a node (fleet.go) is its credit, what is in flight,
// how often it failed in a row, and until when it rests: after a failure, or to
// keep the pace (Settings.tranquility_percent).
//
// Invariants by name:
//
// Forgets. No memory outlives the leadership it was made in.
//
// Clocks only decide when to try. A round is a tick of this machine; what is
// proposed in it is judged by apply from replicated state alone.
//
// One slow node is one slow node. A ping, a batch of orders or a walk in flight
// never delays another node's, and there is at most one of each a node.
//
// No progress means issue again. An order is forgotten when its batch ends without
// an answer, and some time after its answer; if the state still implies it, it is
// planned and sent again. Nothing is ever taken for done but by the log.
//
// A log that refuses is left alone. While the metadata knows that it was rolled
// back, it refuses all of this work: nothing is planned, sent or proposed until a
// generation is started, and that is said once.
//
// Its own word. Answers and pages that come from another node than the one meant
// are thrown away.
package dispatch
