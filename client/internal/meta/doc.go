// Package meta asks the metaservers, for the rest of the SDK.
//
// A [Group] knows a few addresses, goes where the leader was last seen, follows
// not-leader answers, and tries again with exponential backoff and jitter under
// the caller's context and a named limit in time ([DefaultPatience]). A server that
// let an attempt time out is asked last, until it answers. Reads may be asked any
// number of times. A change is asked under a session and a sequence
// number, and is only ever asked again under the same two, so the metaservers
// run it once or not at all.
//
// Invariants, by name:
//
//   - Exactly once. A change whose outcome is unknown is never sent under
//     another session or sequence number. When its session turns out to be gone,
//     the caller is told unknown-outcome. Only a change that certainly never ran
//     (each attempt was refused, or never left this process) moves on to a fresh
//     session.
//   - Window. A session has at most protocol.SessionWindow sequence numbers
//     between the lowest unanswered one and the next; a group has at most
//     MaxSessions sessions. Callers beyond that wait.
//   - Idle. A session that was last heard of beside an upload is closed once no
//     upload has been in flight for a moment: an idle client holds back no Reap.
//   - Seen. The highest version in any answer is remembered and never falls; it
//     is good as the u of an upload and as the floor of a session read.
package meta
