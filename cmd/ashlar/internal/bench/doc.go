// Package bench measures a cluster, and the machine that it runs on in the same
// run, so that a figure can be read as a share of what the machine can do.
//
// A run is a list of measurements. Each drives one operation (put, get, stat,
// commit, lookup) from a number of workers for a while and counts operations,
// bytes and latencies; before and after it reads the processor time of this
// process and of the servers it knows by process id. Limits are loops without
// Ashlar: the plain durable loop that writes the same three files per block,
// fasthttp serving from memory over loopback, BLAKE3, zstd and the log store.
//
// Invariants. Latency is taken around the whole operation and every one is kept
// in a histogram of fixed size, whose buckets are at most 2 % wide. Data is made
// from a printed seed before the clock starts. Ratios are only formed within one
// run. A failed operation ends the measurement with its error: a figure never
// hides failures.
package bench
