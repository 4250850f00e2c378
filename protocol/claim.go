package protocol

// Claim is what a blockserver says when it acknowledges a store, touch or copy:
// "node, in this incarnation, durably holds good bytes of hash at version"
// (reclamation.md, Words). It also carries the disk and the number of
// acknowledgements that the disk has made, this one included, so that a disk
// that was rolled back gives itself away.
type Claim struct {
	Hash        Hash
	Version     Version
	Node        NodeID
	Incarnation Incarnation
	// Disk is the number that Register gave to the disk, from 0.
	Disk uint32
	// Ack is the disk's acknowledgement count, durable before the claim was sent.
	Ack uint64
	// PlainSize is the block's length in bytes, StoredSize its file's zstd frames
	// without the header.
	PlainSize, StoredSize uint32
}
