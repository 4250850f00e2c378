package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// MaxBatch bounds the items of one command of reclamation.
const MaxBatch = 500

// rowsOfItem bounds the rows that one item of such a command touches on a block
// with the usual number of copies. An item that needs more than the entry has
// room for is ignored, and planned again.
const rowsOfItem = 1 + protocol.MaxRedundancy + 1

// effect counts what the items of a command did.
type effect struct{ applied, ignored uint32 }

func (e *effect) count(applied bool) bool {
	if applied {
		e.applied++
	} else {
		e.ignored++
	}
	return applied
}

// upcoming is the version that the command takes if it changes something: a
// condemnation's or drop's own t.
func (a *applier) upcoming() protocol.Version {
	v := a.version()
	v.Counter++
	return v
}

// ended answers a command; it takes a version if it changed something.
func (a *applier) ended(e effect, changed bool) *record.Result {
	if changed {
		a.next()
	}
	return &record.Result{Version: toPB(a.version()), Body: &record.Result_Effect{
		Effect: &record.EffectResult{Applied: e.applied, Ignored: e.ignored},
	}}
}

// auditEnded is ended with a row of the audit, if the command did something.
func (a *applier) auditEnded(e effect, changed bool, kind pb.AuditKind, hashes []byte, nodes []uint32) *record.Result {
	r := a.ended(e, changed)
	if e.applied > 0 {
		a.auditEffect(kind, hashes, nodes)
	}
	return r
}

// checkHashes accepts packed hashes, at most MaxBatch, none of them zero.
func checkHashes(packed []byte, least int) error {
	n := len(packed) / protocol.HashSize
	if len(packed)%protocol.HashSize != 0 || n < least || n > MaxBatch {
		return protocol.Errorf(protocol.InvalidArgument, "a command names %d to %d hashes of %d bytes; these are %d bytes", least, MaxBatch, protocol.HashSize, len(packed))
	}
	for i := range n {
		if protocol.Hash(hashAt(packed, i)).IsZero() {
			return protocol.Errorf(protocol.InvalidArgument, "hash %d is zero, which names nothing", i)
		}
	}
	return nil
}

func checkBatch(items int) error {
	if items < 1 || items > MaxBatch {
		return protocol.Errorf(protocol.InvalidArgument, "a command has 1 to %d items, not %d", MaxBatch, items)
	}
	return nil
}

func checkHash(hash []byte) error { return checkHashes(hash, 1) }

// checkNodeBlocks accepts items that name one block and one node each.
func checkNodeBlocks(items []*record.NodeBlock) error {
	if err := checkBatch(len(items)); err != nil {
		return err
	}
	for _, item := range items {
		if err := checkNodeBlock(item); err != nil {
			return err
		}
	}
	return nil
}

func checkNodeBlock(item *record.NodeBlock) error {
	if item.GetNode() == 0 {
		return protocol.Errorf(protocol.InvalidArgument, "an item names no node")
	}
	if len(item.Hash) != protocol.HashSize {
		return protocol.Errorf(protocol.InvalidArgument, "an item has a hash of %d bytes, not %d", len(item.Hash), protocol.HashSize)
	}
	return checkHash(item.Hash)
}

// claimOf is an acknowledgement as a claim.
func claimOf(ack *pb.Ack) *pb.Claim {
	return &pb.Claim{
		Node: ack.Node, Incarnation: ack.Incarnation, Disk: ack.Disk, Ack: ack.Ack,
		Generation: ack.Version.GetGeneration(), Counter: ack.Version.GetCounter(),
	}
}
