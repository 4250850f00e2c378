// Package admin is a metaserver's admin port: what operators, other metaservers
// and monitoring ask for, on net/http and in plain JSON.
//
// A metaserver that wants to join says hello to any member, learns the cluster
// and where the leader's admin port is, and asks the leader to join. The leader
// adds it as a non-voter, waits until it has caught up, makes it a voter and
// writes its addresses to the log. A member whose addresses change announces them
// in the same way. The rest are verbs of operators: transfer, snapshot, recount,
// remove-member; and what monitoring reads: healthz, readyz, metrics, profiles.
//
// Both ends are here: [New] answers, [Client] asks.
//
// Invariants by name:
//
// Idempotent. Every verb may be sent again after an unknown outcome; joining or
// removing twice is done once.
//
// Same cluster. Joining and announcing name the cluster; another one is refused
// before anything happens. Bodies are decoded strictly and within MaxBody.
//
// On this port the leader in a not-leader error is the leader's admin address.
package admin
