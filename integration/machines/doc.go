// Package machines makes many machines out of one, for tests that need to take
// them apart: each has a network of its own, joined to the others through a
// bridge, so that any pair can be cut in either direction, and may have a small
// disk of its own that can be filled.
//
// The means are Linux namespaces. [Main] runs the test process again inside a
// network and a mount namespace that nobody else is in. The names of the machines'
// namespaces and the mounts of their disks exist in there only, so the kernel
// takes everything away when the test process ends, however it ends. The test
// process itself stands on the bridge and reaches every machine.
//
// This needs root and a few tools. Where they are missing, Main runs the tests
// as they are, and [Missing] says why there are no machines.
//
// Invariants, by name:
//
//   - Own namespaces: nothing outside the namespaces that Main made is changed.
//   - No leftovers: what a machine is made of does not outlive the test process.
package machines
