package metaserver_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc"
)

// badCommits each spoil a good commit in one way.
var badCommits = []struct {
	name  string
	kind  protocol.Kind
	spoil func(q *pb.CommitRequest)
}{
	{"no sequence", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Call.Sequence, q.Call.LowestUnacked = 0, 0 }},
	{"short session", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Call.Session = q.Call.Session[:15] }},
	{"unknown session", protocol.SessionExpired, func(q *pb.CommitRequest) { q.Call.Session = randomBytes(16) }},
	{"no opening", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Call.Opened = nil }},
	{"another opening", protocol.SessionExpired, func(q *pb.CommitRequest) { q.Call.Opened = &pb.Version{Generation: 1, Counter: 1} }},
	{"unacked above sequence", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Call.LowestUnacked = q.Call.Sequence + 1 }},
	{"no bucket", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Bucket = "" }},
	{"bad bucket", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Bucket = "Bucket/.." }},
	{"no name", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Name = "" }},
	{"name with NUL", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Name = "a\x00b" }},
	{"name of 2 KiB", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Name = strings.Repeat("n", 2048) }},
	{"content type with a newline", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.ContentType = "text\nplain" }},
	{"user metadata without key", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.UserMetadata = []*pb.Meta{{Value: "v"}} }},
	{"too much user metadata", protocol.TooLarge, func(q *pb.CommitRequest) {
		q.UserMetadata = []*pb.Meta{{Key: "k", Value: strings.Repeat("v", protocol.MaxUserMetadata)}}
	}},
	{"short digest", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Digest = q.Digest[:31] }},
	{"unknown precondition", protocol.Unsupported, func(q *pb.CommitRequest) { q.Precondition = &pb.Precondition{Kind: 9} }},
	{"precondition without version", protocol.InvalidArgument, func(q *pb.CommitRequest) {
		q.Precondition = &pb.Precondition{Kind: pb.Precondition_IF_VERSION}
	}},
	{"two contents", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Inline = []byte("x") }},
	{"size of something else", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Size++ }},
	{"torn hash", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Blocks.Hashes = q.Blocks.Hashes[:33] }},
	{"zero hash", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Blocks.Hashes = make([]byte, len(q.Blocks.Hashes)) }},
	{"a size too few", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Blocks.StoredSizes = q.Blocks.StoredSizes[1:] }},
	{"empty block", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Blocks.PlainSizes[0] = 0; q.Size -= 1000 }},
	{"block too large", protocol.InvalidArgument, func(q *pb.CommitRequest) {
		q.Blocks.PlainSizes[0] = protocol.MaxBlockSize + 1
		q.Size += protocol.MaxBlockSize + 1 - 1000
	}},
	{"claim about no block", protocol.InvalidArgument, func(q *pb.CommitRequest) { q.Claims[0].Block = 2 }},
	{"claims without end", protocol.InvalidArgument, func(q *pb.CommitRequest) {
		for len(q.Claims) <= 2*protocol.MaxClaimsPerBlock {
			q.Claims = append(q.Claims, q.Claims[0])
		}
	}},
	// As large as a commit can be, which still fits in an entry.
	{"a full page of claims that nobody made", protocol.ClaimsRefused, func(q *pb.CommitRequest) {
		const n = protocol.MaxBlocksPerPage
		q.Blocks, q.Claims, q.Size = &pb.Blocks{Hashes: randomBytes(32 * n)}, nil, n
		for i := range n {
			q.Blocks.PlainSizes, q.Blocks.StoredSizes = append(q.Blocks.PlainSizes, 1), append(q.Blocks.StoredSizes, 1)
			for range protocol.MaxClaimsPerBlock {
				q.Claims = append(q.Claims, &pb.Claim{Block: uint32(i), Node: 1 << 31, Incarnation: 1 << 63, Disk: 1 << 31, Ack: 1 << 63, Generation: 1 << 31, Counter: 1 << 63})
			}
		}
	}},
	{"unbelieved claims", protocol.ClaimsRefused, func(q *pb.CommitRequest) {
		for _, c := range q.Claims {
			c.Incarnation += 7
		}
	}},
}

func testBadInput(t *testing.T, g *group, s *session, nodes []*node) {
	before := g.counters()
	for _, bad := range badCommits {
		b, claims := g.blocks(2, nodes...)
		q := s.commitBlocks("bad", b, claims)
		bad.spoil(q)
		if err := g.try(protocol.PathCommit, q, &pb.CommitAnswer{}); protocol.KindOf(err) != bad.kind {
			t.Errorf("%s: %v, want %v", bad.name, err, bad.kind)
		}
	}
	for _, bad := range badRequests(s) {
		if err := g.try(bad.path, bad.req, bad.ans); protocol.KindOf(err) != bad.kind {
			t.Errorf("%s %s: %v, want %v", bad.path, bad.name, err, bad.kind)
		}
	}
	after := g.counters()
	if after.Objects != before.Objects || after.References != before.References || after.Uploads != before.Uploads || after.Sessions != before.Sessions {
		t.Errorf("bad input left something: %v, before %v", after, before)
	}
}

type badRequest struct {
	name string
	kind protocol.Kind
	path string
	req  rpc.Message
	ans  rpc.Message
}

func badRequests(s *session) []badRequest {
	const invalid = protocol.InvalidArgument
	many := make([]*pb.DeleteItem, protocol.MaxDeleteBatch+1)
	for i := range many {
		many[i] = &pb.DeleteItem{Name: "x"}
	}
	inline := s.commitInline("bad", []byte("content"))
	inline.Digest = bytes.Repeat([]byte{1}, 32)
	large := s.commitInline("bad", make([]byte, protocol.MaxInlineSize+1))
	node := func(change func(*pb.RegisterRequest)) *pb.RegisterRequest {
		q := &pb.RegisterRequest{Identity: randomBytes(16), Start: randomBytes(16), Address: "127.0.0.1:1", Disks: []*pb.DiskInfo{{Disk: randomBytes(16)}}}
		change(q)
		return q
	}
	commit, lookup, list, del := &pb.CommitAnswer{}, &pb.LookupAnswer{}, &pb.ListAnswer{}, &pb.DeleteAnswer{}
	reg, report, prep, block := &pb.RegisterAnswer{}, &pb.ReportAnswer{}, &pb.PrepareAnswer{}, &pb.BlockInfoAnswer{}
	return []badRequest{
		{"inline of another digest", protocol.HashMismatch, protocol.PathCommit, inline, commit},
		{"inline too large", protocol.TooLarge, protocol.PathCommit, large, commit},
		{"name", invalid, protocol.PathLookup, &pb.LookupRequest{Bucket: "bucket", Name: "a\x01"}, lookup},
		{"bucket", invalid, protocol.PathLookup, &pb.LookupRequest{Bucket: "b", Name: "a"}, lookup},
		{"level", invalid, protocol.PathLookup, &pb.LookupRequest{Bucket: "bucket", Name: "a", Level: 7}, lookup},
		{"range", protocol.RangeInvalid, protocol.PathLookup, &pb.LookupRequest{Bucket: "bucket", Name: "a", Offset: 1<<64 - 1, Length: 2}, lookup},
		{"missing", protocol.NotFound, protocol.PathLookup, &pb.LookupRequest{Bucket: "bucket", Name: "missing"}, lookup},
		{"page", protocol.TooLarge, protocol.PathList, &pb.ListRequest{Bucket: "bucket", Limit: protocol.MaxListPage + 1}, list},
		{"prefix", invalid, protocol.PathList, &pb.ListRequest{Bucket: "bucket", Prefix: "\xff"}, list},
		{"nothing", invalid, protocol.PathDelete, &pb.DeleteRequest{Call: s.call(), Bucket: "bucket"}, del},
		{"too many", invalid, protocol.PathDelete, &pb.DeleteRequest{Call: s.call(), Bucket: "bucket", Items: many}, del},
		{"torn hashes", invalid, protocol.PathPrepare, &pb.PrepareRequest{Hashes: make([]byte, 31)}, prep},
		{"too many hashes", protocol.TooLarge, protocol.PathPrepare, &pb.PrepareRequest{Hashes: randomBytes(32 * (protocol.MaxTouchBatch + 1))}, prep},
		{"short hash", invalid, protocol.PathBlockInfo, &pb.BlockInfoRequest{Hash: randomBytes(31)}, block},
		{"no node", invalid, protocol.PathReport, &pb.ReportRequest{Hash: randomBytes(32), Cause: 3}, report},
		{"no cause", invalid, protocol.PathReport, &pb.ReportRequest{Hash: randomBytes(32), Node: 1}, report},
		{"unknown cause", invalid, protocol.PathReport, &pb.ReportRequest{Hash: randomBytes(32), Node: 1, Cause: 60000}, report},
		{"zero session", invalid, protocol.PathSessionClose, &pb.SessionCloseRequest{Session: make([]byte, 16)}, &pb.SessionCloseAnswer{}},
		{"upload of no bucket", invalid, protocol.PathUploadCreate, &pb.UploadCreateRequest{Call: s.call()}, &pb.UploadCreateAnswer{}},
		{"no upload", protocol.NotFound, protocol.PathUploadAbort, &pb.UploadAbortRequest{Call: s.call(), Upload: randomBytes(16)}, &pb.UploadAbortAnswer{}},
		{"short identity", invalid, protocol.PathNodeRegister, node(func(q *pb.RegisterRequest) { q.Identity = q.Identity[:3] }), reg},
		{"no start", invalid, protocol.PathNodeRegister, node(func(q *pb.RegisterRequest) { q.Start = nil }), reg},
		{"no disk", invalid, protocol.PathNodeRegister, node(func(q *pb.RegisterRequest) { q.Disks = nil }), reg},
		{"no address", invalid, protocol.PathNodeRegister, node(func(q *pb.RegisterRequest) { q.Address = "" }), reg},
		{"no port", invalid, protocol.PathNodeRegister, node(func(q *pb.RegisterRequest) { q.Address = "localhost" }), reg},
		{"long zone", invalid, protocol.PathNodeRegister, node(func(q *pb.RegisterRequest) { q.Zone = strings.Repeat("z", 64) }), reg},
		{"one disk twice", invalid, protocol.PathNodeRegister, node(func(q *pb.RegisterRequest) { q.Disks = append(q.Disks, q.Disks[0]) }), reg},
		{"no claims", invalid, protocol.PathClaims, &pb.ClaimsRequest{}, &pb.ClaimsAnswer{}},
	}
}
