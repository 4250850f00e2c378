package state

import (
	"slices"
	"strings"

	"github.com/seed-7d21a5b5/ashlar/metaserver/state/record"
	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func checkCommit(q *pb.CommitRequest) error {
	if err := checkCall(q.Call); err != nil {
		return err
	}
	if err := checkObjectName(q.Bucket, q.Name); err != nil {
		return err
	}
	if err := protocol.CheckContentType(q.ContentType); err != nil {
		return err
	}
	if err := checkPrecondition(q.Precondition); err != nil {
		return err
	}
	if len(q.Digest) != 0 && len(q.Digest) != protocol.HashSize {
		return protocol.Errorf(protocol.InvalidArgument, "an object's digest has %d bytes, not %d", protocol.HashSize, len(q.Digest))
	}
	if err := checkMetadata(q.UserMetadata); err != nil {
		return err
	}
	return checkContent(q)
}

func checkObjectName(bucket, name string) error {
	if err := protocol.CheckBucket(bucket); err != nil {
		return err
	}
	return protocol.CheckName(name)
}

func checkPrecondition(p *pb.Precondition) error {
	switch p.GetKind() {
	case pb.Precondition_NONE, pb.Precondition_IF_ABSENT:
		return nil
	case pb.Precondition_IF_VERSION:
		if fromPB(p.Version).IsZero() {
			return protocol.Errorf(protocol.InvalidArgument, "if-version needs the version; to ask for no object, say if-absent")
		}
		return nil
	}
	return protocol.Errorf(protocol.Unsupported, "this build does not know precondition %d", p.GetKind())
}

func checkMetadata(metadata []*pb.Meta) error {
	total := 0
	for _, m := range metadata {
		if err := protocol.CheckUserMetadata(m.Key, m.Value); err != nil {
			return err
		}
		total += len(m.Key) + len(m.Value)
	}
	if total > protocol.MaxUserMetadata {
		return protocol.Errorf(protocol.TooLarge, "user metadata has at most %d bytes; these are %d", protocol.MaxUserMetadata, total)
	}
	keys := make([]string, len(metadata))
	for i, m := range metadata {
		keys[i] = m.Key
	}
	slices.Sort(keys)
	if len(slices.Compact(keys)) < len(metadata) {
		return protocol.Errorf(protocol.InvalidArgument, "a user metadata key stands twice")
	}
	return nil
}

// checkContent accepts exactly one of inline bytes, blocks and an upload, or
// none of them for no bytes.
func checkContent(q *pb.CommitRequest) error {
	inline, blocks, upload := len(q.Inline) > 0, len(q.Blocks.GetPlainSizes()) > 0, len(q.Upload) > 0
	if inline && blocks || inline && upload || blocks && upload {
		return protocol.Errorf(protocol.InvalidArgument, "an object is inline bytes, blocks or an upload, not two of them")
	}
	if upload {
		if len(q.Claims) > 0 {
			return protocol.Errorf(protocol.InvalidArgument, "an upload's claims go with its pages")
		}
		return checkID("an upload", q.Upload)
	}
	if len(q.Inline) > protocol.MaxInlineSize {
		return protocol.Errorf(protocol.TooLarge, "inline bytes are at most %d; these are %d", protocol.MaxInlineSize, len(q.Inline))
	}
	size, err := checkBlocks(q.Blocks, q.Claims, 0)
	if err != nil {
		return err
	}
	if size += uint64(len(q.Inline)); size != q.Size {
		return protocol.Errorf(protocol.InvalidArgument, "the content has %d bytes and the request says %d", size, q.Size)
	}
	return nil
}

// commit names content (reclamation.md, Commit). It is refused whole: by its
// precondition, by the upload it names, or by the hashes that lack claims. A
// refusal is the outcome of its sequence; with other claims the client commits
// under a new one.
func (a *applier) commit(q *pb.CommitRequest) *record.Result {
	key := keyObject(q.Bucket, q.Name)
	old := &record.Object{}
	replaced := a.load(key, old)
	if err := judgePrecondition(q.Precondition, replaced, fromPB(old.Version)); err != nil {
		return a.refuseWith(err)
	}
	object := &record.Object{
		Size: q.Size, ContentType: q.ContentType, UserMetadata: plainMetadata(q.UserMetadata), Digest: q.Digest,
		ModifiedUnixMs: a.nowUnixMs, Inline: q.Inline,
	}
	if refusal := a.attach(object, q); refusal != nil {
		return refusal
	}
	version := a.next()
	object.Version = toPB(version)
	answer := &pb.CommitAnswer{Version: object.Version}
	if replaced {
		answer.Replaced, answer.ReplacedVersion = true, old.Version
		a.endObject(q.Bucket, q.Name, old, version, pb.TrashCause_TRASH_CAUSE_OVERWRITTEN)
	}
	countObject(a.cluster.Counters, object, 1)
	a.store(key, object)
	if replaced {
		a.auditOverwrite(q.Bucket, q.Name, old.Version, object.Version)
	}
	return &record.Result{Version: object.Version, Body: &record.Result_Commit{Commit: answer}}
}

// attach gives the object its blocks or its upload's pages, or returns the
// refusal having changed nothing.
func (a *applier) attach(object *record.Object, q *pb.CommitRequest) *record.Result {
	if len(q.Upload) > 0 {
		return a.takeUpload(object, q)
	}
	if len(q.Blocks.GetPlainSizes()) == 0 {
		return nil
	}
	groups, err := a.mentions(q.Blocks, q.Claims)
	if err != nil {
		return a.refuseWith(err)
	}
	object.Redundancy = a.redundancyIn(q.Bucket)
	if refusal := a.reference(groups, object.Redundancy, q.Claims); refusal != nil {
		return refusal
	}
	object.Blocks = plainBlocks(q.Blocks)
	object.BlockCount = uint64(len(q.Blocks.PlainSizes))
	return nil
}

// claimsRefused lists the hashes that must be stored or touched anew, at the
// result's version.
func (a *applier) claimsRefused(refused []byte) *record.Result {
	r := a.refuse(protocol.ClaimsRefused, "%d blocks lack believed claims of a quorum; store or touch them at version %s and send a new request", len(refused)/protocol.HashSize, a.version())
	r.Body = &record.Result_Commit{Commit: &pb.CommitAnswer{Refused: refused}}
	return r
}

func judgePrecondition(p *pb.Precondition, exists bool, version protocol.Version) error {
	switch {
	case p.GetKind() == pb.Precondition_IF_ABSENT && exists:
		return protocol.Errorf(protocol.PreconditionFailed, "the object exists, at version %s", version)
	case p.GetKind() == pb.Precondition_IF_VERSION && !exists:
		return protocol.Errorf(protocol.PreconditionFailed, "the object does not exist")
	case p.GetKind() == pb.Precondition_IF_VERSION && fromPB(p.Version) != version:
		return protocol.Errorf(protocol.PreconditionFailed, "the object is at version %s, not %s", version, fromPB(p.Version))
	}
	return nil
}

// plainBlocks and plainMetadata keep what this build knows of a message, so that
// fields of a later wire do not end up in rows.
func plainBlocks(b *pb.Blocks) *pb.Blocks {
	return &pb.Blocks{Hashes: b.Hashes, PlainSizes: b.PlainSizes, StoredSizes: b.StoredSizes}
}

func plainMetadata(metadata []*pb.Meta) []*pb.Meta {
	out := make([]*pb.Meta, len(metadata))
	for i, m := range metadata {
		out[i] = &pb.Meta{Key: m.Key, Value: m.Value}
	}
	slices.SortFunc(out, func(x, y *pb.Meta) int { return strings.Compare(x.Key, y.Key) })
	return out
}
