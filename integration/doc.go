// Package integration holds what is shown on real processes: one scenario a
// file, each against a cluster of its own (package cluster), with the command
// and the SDK as users have them.
package integration
