// Package cli is the command line of ashlar: one file per command, and Main,
// which runs the one that was asked for.
//
// A command's constructor takes the app.App of the run and returns a cobra
// command; its flags are fields of a small struct in the same file. Names of
// objects are written BUCKET/KEY. Where a local path and such a name could be
// mistaken for each other, package place tells them apart by rules that do not
// depend on the contents of the cluster.
//
// Invariants. Results go to standard output and nothing else does. Every command
// understands -o json, with field names that are only added to. A command that
// was stopped by a signal ends with app.ExitCanceled and leaves no half file.
package cli
