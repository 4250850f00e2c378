// Package blocks moves block bytes between one client and the blockservers.
//
// A [Fleet] is the blockservers as the client sees them: the layout says where
// a block belongs, and each node's recent failures and latency say whom to ask
// first. [Fleet.Need] says how many copies a bucket's blocks are to have, and how
// many a commit waits for. [Fleet.Store] sends one compressed block to so many
// nodes at once, returns at the quorum and leaves the stragglers to finish behind;
// [Fleet.Fetch] reads one block from its best copy, hedges to a second one when
// the first is slow, and goes to the next on any failure. [Fleet.Live] asks
// which hashes need no upload, many callers in one request. What a node says
// late (claims after their commit) and what a reader finds wrong (missing or
// corrupt copies) is told to the leader behind the callers' backs.
//
// Invariants, by name:
//
//   - Verified. No byte leaves Fetch that was not checked against its hash.
//   - Named claims. An acknowledgement counts only if it names the hash that was
//     sent and the node that was meant.
//   - Bounded. Decoding never allocates more than the block's own size; buffers
//     are charged by the caller; stragglers hold at most their own budget, and
//     beyond it Store waits for them; queues behind the callers' backs are
//     capped and drop reports, never block; at most MaxNeeds buckets are remembered.
//   - Needs are hints. What is known of a bucket may be old; the commit judges, and
//     whoever is refused asks anew.
//   - Lost means lost. DataLost is answered only when every copy is known to be
//     absent or bad; a copy that cannot be asked makes it Unavailable.
package blocks
