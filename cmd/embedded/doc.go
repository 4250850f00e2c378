// Package embedded runs a whole cluster in one process on loopback, with its
// data under one folder: what `ashlar dev` is, and what tests and programs that
// bring their own store start.
//
// [Start] writes down the ports of a new folder before anything listens, starts
// the first metaserver, lets the others join it, starts the blockservers and
// returns when every one of them is ready. [Cluster.Close] ends them in the
// opposite order. A folder that was used before resumes on the ports written
// down in it, because the members know each other by them.
//
// Members can be ended abruptly and started again, one at a time, to see what a
// program of yours does then. "Abruptly" means without handing over and without
// answering what is under way; it is not the death of a process, which only a
// process can show.
//
// Invariants, by name:
//
//   - One folder, one set of ports. A port that is taken is an error that names
//     it; the cluster never moves to another.
//   - All or nothing. When Start fails nothing keeps running.
package embedded
