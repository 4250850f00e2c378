// Package reclamation has the scenarios of deletion and repair on whole clusters
// in one process: real metaservers, real blockservers, real files. What is dead
// goes, a node that is down keeps its tombstones and nobody else's, what lacks
// copies gets them, strays go, and none of that depends on who leads.
//
// The rules themselves are shown in metaserver/state, plans in
// metaserver/schedule, and faults of every kind in integration/sim.
package reclamation
