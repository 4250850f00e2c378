// Package placement computes which nodes shall hold the copies of which blocks: a
// table with the places of each partition, made from the nodes that may be placed
// and the table before. The state machine applies a change of the layout by calling
// [Compute] on every replica, so the package is pure and its numbers are for ever:
// what is written here is algorithm 1, and another one gets another number.
//
// It works in four steps.
//
//  1. Zones (zones.go). The R wanted places of a partition are poured evenly over
//     the zones, so that the counts of two zones differ by one at most, as far as
//     zones have nodes.
//  2. Quotas (quota.go). How many wanted places each node gets over all partitions:
//     in proportion to its weight, as far as it can stand in a partition once only
//     and its zone has what the zones' rule allows. Rounded by Webster's method,
//     under which a node that comes or goes changes no quota for rounding's sake.
//  3. Places (board.go, place.go, search.go). Every place of the table before is
//     kept that may be kept. Then nodes above their quota and empty places give to
//     nodes below theirs, first directly, in the end along chains of exchanges.
//     The result has exactly the quotas, and of all legal tables with these quotas
//     it moves the fewest places.
//  4. Order and spares (order.go, spares.go). Each node is first in one of R of its
//     partitions, for readers and sources prefer the first place. Spares come from
//     the zones that the partition uses least.
//
// Where choice is left a hash of partition and node decides, so that the partitions
// of one node share their other places with as many nodes as can be: when it is
// lost, many help to restore its copies.
//
// Invariants by name:
//
//   - Legal. The places of a partition are distinct nodes of the input, and its
//     wanted places meet the rule of the zones.
//   - Balanced. Each node has exactly its quota of wanted places.
//   - Least. No legal table with the same quotas moves fewer places. Without a
//     change nothing moves.
//   - Deterministic. Integers only; no map, no order that is left to chance.
//
// The proof that the steps of Places reach their end, the measurements and the
// alternatives are in docs/explanation/placement.md.
package placement
