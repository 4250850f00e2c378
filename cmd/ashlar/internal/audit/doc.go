// Package audit has the command that tells what was taken away: objects, the last
// reference to a block, blocks, copies, nodes; by whom, why, and at which version.
//
// It asks for pages of the state's audit (protocol.PathAudit) and prints a row a
// line, for people or with -o json as JSON lines in the form that package report
// promises, to be kept elsewhere before the oldest rows go.
package audit
