// Package link is the raft port: every connection between metaservers begins
// here, on both ends, and says who is calling before it says anything else.
//
// A caller sends a [Hello] of fixed length: magic, format, role, cluster and
// member id. The other end answers with its own Hello and a status. Only then
// do bytes of the role follow: hashicorp/raft's calls for [RoleRaft]; for
// [RoleTerm] a question of ours, "what is your current term?", asked over and
// over on one connection; and for [RoleMark] one answer, the digest at the member's
// last mark.
//
// Raft itself believes AppendEntries, InstallSnapshot and TimeoutNow from
// anybody who reaches the port. So the rules are here:
//
//   - *one cluster*: another cluster's caller, or one without a cluster, is
//     refused before its first call, and a caller refuses such an answer too;
//   - *the right member*: who dials an address that belongs to a known member
//     refuses an answer from any other member. A wiped folder at an old address
//     is a new member, and must not answer for the old one;
//   - *bounded*: connections are counted against a cap, a handshake has a
//     deadline, and one call's bytes have a cap. A length that a peer claims
//     allocates nothing. Who falls silent within a call is hung up on;
//   - *one thread*: until raft ends, its term and role change on its main loop only.
//     Heartbeats, which raft would take beside it, go there too ([Transport] says why);
//   - *one history*: what a call brings is of one leader's log. Raft reads it beside
//     its main loop, so a leader that is deposed meanwhile sends nothing.
//
// The term role is what linearizable reads rest on; package replica says why.
package link
