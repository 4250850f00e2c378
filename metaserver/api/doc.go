// Package api answers the verbs of a metaserver's client port: it is where a
// request from outside becomes a command for the log or a read of the state.
//
// A verb goes through the same stations every time. Its request is checked
// completely before anything is proposed: a command by state.Validate, which apply
// asks again, a read by check.go. So what reaches the log is well formed, within
// every limit and worth a sync. What the state machine may not do itself happens here: the wall
// clock is read (for people, never for decisions), random ids of sessions and
// uploads are drawn, the request id is taken down for the audit. Then the command
// is proposed, and the result's kind, if it has one, becomes the answer's
// [protocol.Error]. A read takes a view at the level that it asks for and hands it
// to a pure function of package state.
//
// A verb group is one file: objects (with deletes of prefixes and the audit),
// uploads, sessions, blocks, reports, nodes, status. A follower answers writes and linearizable reads with not-leader and the
// leader's client address, found among the members that the log knows; when no
// leader is known it answers unavailable, in words.
//
// Invariants by name:
//
// Checked first. No command is proposed for a request that can never succeed, and
// none above protocol.MaxEntrySize.
//
// Decided by the log. Nothing here keeps state that an answer depends on, besides
// the observation of who answers pings and the count of reports, which are both
// marked as such on the wire.
//
// Exactly once belongs to the caller. A proposal with an unknown outcome is
// answered as that; only the same session and sequence make a retry safe.
package api
