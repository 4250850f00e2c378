package state

import (
	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

// ClusterRow returns the cluster's row; an empty one before the first entry.
func ClusterRow(r Reader) (*record.Cluster, error) {
	c := &record.Cluster{}
	_, err := load(r, keyCluster(), c)
	return c, err
}

// Lookup answers with an object and at most one page of the blocks that overlap
// the wanted range; `more` says that the range goes on beyond them. NotFound,
// Changed (if_version) and RangeInvalid are *protocol.Error.
func Lookup(r Reader, q *pb.LookupRequest) (*pb.LookupAnswer, error) {
	if err := checkObjectName(q.Bucket, q.Name); err != nil {
		return nil, err
	}
	cluster, err := ClusterRow(r)
	if err != nil {
		return nil, err
	}
	object := &record.Object{}
	if ok, err := load(r, keyObject(q.Bucket, q.Name), object); err != nil {
		return nil, err
	} else if !ok {
		return nil, protocol.Errorf(protocol.NotFound, "no object %s in bucket %s", protocol.Quote(q.Name), q.Bucket)
	}
	if q.IfVersion != nil && fromPB(q.IfVersion) != fromPB(object.Version) {
		return nil, protocol.Errorf(protocol.Changed, "the object is at version %s, not %s any more", fromPB(object.Version), fromPB(q.IfVersion))
	}
	answer := &pb.LookupAnswer{Object: objectInfo(q.Bucket, q.Name, object), Version: toPB(versionOf(cluster))}
	if q.StatOnly {
		return answer, nil
	}
	if q.Offset > object.Size || q.Offset == object.Size && object.Size > 0 {
		return nil, protocol.Errorf(protocol.RangeInvalid, "the object has %d bytes; offset %d is outside", object.Size, q.Offset)
	}
	answer.Inline = object.Inline
	return answer, lookupBlocks(r, cluster, object, q, answer)
}

func objectInfo(bucket, name string, o *record.Object) *pb.ObjectInfo {
	return &pb.ObjectInfo{
		Bucket: bucket, Name: name, Version: o.Version, Size: o.Size, ContentType: o.ContentType,
		UserMetadata: o.UserMetadata, Digest: o.Digest, ModifiedUnixMs: o.ModifiedUnixMs,
		IsInline: o.BlockCount == 0, BlockCount: o.BlockCount, Redundancy: o.Redundancy,
	}
}

func lookupBlocks(r Reader, cluster *record.Cluster, o *record.Object, q *pb.LookupRequest, answer *pb.LookupAnswer) error {
	if o.BlockCount == 0 {
		return nil
	}
	end := o.Size
	if q.Length > 0 && q.Length < o.Size-q.Offset {
		end = q.Offset + q.Length
	}
	page := &record.UploadPage{Blocks: o.Blocks}
	if len(o.Upload) > 0 {
		var err error
		if page, _, err = firstPage(r, o.Upload, q.Offset); err != nil {
			return err
		}
		if page == nil {
			return protocol.Errorf(protocol.Corrupt, "the page of byte %d of the object is missing", q.Offset)
		}
	}
	var after uint64
	answer.Blocks, answer.FirstOffset, after = overlapping(page, q.Offset, end)
	answer.More = after < end
	var err error
	answer.Copies, err = copiesOfBlocks(r, cluster, answer.Blocks)
	return err
}

// overlapping cuts the page's blocks that overlap [offset, end), of a page of before
// as many as one may have now, and returns where in the object the first begins and
// the last ends.
func overlapping(page *record.UploadPage, offset, end uint64) (cut *pb.Blocks, first, after uint64) {
	b := page.Blocks
	from, at := 0, page.Offset
	for from < len(b.PlainSizes) && at+uint64(b.PlainSizes[from]) <= offset {
		at += uint64(b.PlainSizes[from])
		from++
	}
	to, after := from, at
	for to < len(b.PlainSizes) && after < end && to-from < protocol.MaxBlocksPerPage {
		after += uint64(b.PlainSizes[to])
		to++
	}
	return &pb.Blocks{
		Hashes: b.Hashes[from*protocol.HashSize : to*protocol.HashSize], PlainSizes: b.PlainSizes[from:to], StoredSizes: b.StoredSizes[from:to],
	}, at, after
}

// copiesOfBlocks lists the counted copies of each block, by block and node.
func copiesOfBlocks(r Reader, cluster *record.Cluster, b *pb.Blocks) ([]*pb.Copy, error) {
	var out []*pb.Copy
	for i := range b.PlainSizes {
		row := &record.Block{}
		if _, err := load(r, keyBlock(hashAt(b.Hashes, i)), row); err != nil {
			return nil, err
		}
		for _, c := range row.Copies {
			out = append(out, &pb.Copy{Block: uint32(i), Node: c.Node, Trusted: !isSuspect(cluster, c.Node, heldVersion(c))})
		}
	}
	return out, nil
}
