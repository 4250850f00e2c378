// Package metaserver is one member of the group that agrees on everything: it
// wires the rooms below it together, and forms or joins a cluster.
//
// A metaserver owns a folder. Its identity file says which cluster it belongs to
// and which server it is; both are drawn at random, once, and a wiped folder is
// another server. With Bootstrap an empty folder becomes the only voter of a new
// cluster. With Join it asks any member for the cluster's id, and the leader to
// add it. Both are carried on by later starts until they are done, and then
// neither flag is needed any more; the identity file records that the forming is
// complete, and from then on an empty log is a loss and not a beginning.
//
// Three listeners: the client port (package api over protocol/rpc), the Raft port
// (package replica) and the admin port (package api/admin). While this server
// leads, package dispatch does the leader's work. [Start] returns when the ports
// are open and the replica runs; [Server.Ready] is closed when it follows or leads
// a leader and the log knows its addresses. [Server.Close] answers what is under
// way, hands leadership over and closes in order. A failed metadata write ends the
// server through [Server.Wait]: only main exits.
//
// Invariants by name:
//
// One identity, one log. A formed folder without a log is refused; so is a folder
// with files but without an identity.
//
// Loopback or insecure. Without TLS, a port that other machines can reach is
// opened only when the configuration says Insecure.
package metaserver
