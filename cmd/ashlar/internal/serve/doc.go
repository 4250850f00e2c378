// Package serve holds the commands that run servers: one metaserver, one
// blockserver, `dev` with a whole cluster on this machine, and `demo`, which
// does the main job end to end on such a cluster and takes it away again.
//
// The commands only read flags, call the Run of the role and wait. A first
// SIGINT or SIGTERM ends the context: a metaserver hands leadership over, requests
// in flight are answered, files are closed. A second signal ends the process.
package serve
