package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// Prepare tells which hashes need no upload: a commit without claims for them
// would find a quorum of trusted copies, as things stand. At most
// protocol.MaxTouchBatch hashes.
func Prepare(r Reader, q *pb.PrepareRequest) (*pb.PrepareAnswer, error) {
	if len(q.Hashes)%protocol.HashSize != 0 || len(q.Hashes) > protocol.MaxTouchBatch*protocol.HashSize {
		return nil, protocol.Errorf(protocol.InvalidArgument, "a request packs up to %d hashes of %d bytes, not %d bytes", protocol.MaxTouchBatch, protocol.HashSize, len(q.Hashes))
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	bucket := &record.Bucket{}
	if _, err := load(r, keyBucket(q.Bucket), bucket); err != nil {
		return nil, err
	}
	asked := settingsOf(cluster).asked(bucket.Redundancy)
	live := make([]bool, len(q.Hashes)/protocol.HashSize)
	for i := range live {
		b := &record.Block{}
		if _, err := load(r, keyBlock(hashAt(q.Hashes, i)), b); err != nil {
			return nil, err
		}
		live[i] = canReference(cluster, b, bucket.Redundancy)
	}
	return &pb.PrepareAnswer{
		Live: live, Version: toPB(versionOf(cluster)), LayoutVersion: cluster.LayoutVersion, Redundancy: asked.redundancy, Quorum: asked.quorum,
	}, nil
}

func canReference(cluster *record.Cluster, b *record.Block, redundancy uint32) bool {
	if b.Phase != record.Block_LIVE && b.Phase != record.Block_UNREFERENCED {
		return false
	}
	trusted := uint32(0)
	for _, c := range b.Copies {
		if !isSuspect(cluster, c.Node, heldVersion(c)) {
			trusted++
		}
	}
	return trusted >= quorumWith(settingsOf(cluster), b, redundancy)
}
