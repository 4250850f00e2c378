// Package cluster has the commands for the metadata as a whole: backup, which copies
// it to a file, and start-generation, which says that it was put back.
//
// They ask the leader's admin port, which they find through the client port of any
// metaserver (--endpoints), or which --admin names: a cluster that does not serve
// still answers there.
//
// Invariants: what cannot be taken back is done only with --yes, and said in full
// without it; a backup's file has its name only once every byte of it was verified
// and is durable.
package cluster
