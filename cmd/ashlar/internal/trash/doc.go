// Package trash has the commands about what a bucket keeps after it was deleted or
// overwritten: bucket says for how long, and how many copies what comes is kept in,
// undelete brings an object back, trash empty
// lets go before the time, and List is `ashlar ls --deleted`.
//
// They are thin: each asks the SDK one thing and prints the answer, for people or
// with -o json in the form that package report promises.
//
// Invariant: nothing here decides by this machine's clock. It prints when the log
// says that something is to go, and no more.
package trash
