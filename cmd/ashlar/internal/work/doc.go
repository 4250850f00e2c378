// Package work has the commands that show and steer what the leader does about
// blocks in the background: explain for one block, gc for what is dead, resync
// for what lacks copies.
//
// They are thin: each asks the leader one question (protocol.PathExplain,
// PathWork...) and prints the answer, for people or with -o json in the form that
// package report promises.
//
// Invariant: no command here deletes anything. gc run only ends the waiting for
// grace and retries; what may be deleted is the log's to say.
package work
