package api

import (
	"bytes"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestCheckDialable(t *testing.T) {
	for addr, good := range map[string]bool{
		"127.0.0.1:7420": true, "[::1]:1": true, "node-3.example:65535": true,
		"": false, "host": false, ":7420": false, "host:0": false, "host:65536": false,
		"host:-1": false, "host:http": false, "::1:1": false, "host:1:1": false,
	} {
		if err := checkDialable(addr); (err == nil) != good {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestCheckReads(t *testing.T) {
	hash := bytes.Repeat([]byte{7}, protocol.HashSize)
	for _, tc := range []struct {
		name string
		err  error
		kind protocol.Kind
	}{
		{"level", checkLevel(3), protocol.InvalidArgument},
		{"lookup", checkLookup(&pb.LookupRequest{Bucket: "bucket", Name: "n", Offset: 1, Length: 1<<64 - 2}), 0},
		{"lookup overflows", checkLookup(&pb.LookupRequest{Bucket: "bucket", Name: "n", Offset: 2, Length: 1<<64 - 2}), protocol.RangeInvalid},
		{"buckets", checkList(&pb.ListRequest{}), 0},
		{"delimiter", checkList(&pb.ListRequest{Bucket: "bucket", Delimiter: "\x00"}), protocol.InvalidArgument},
		{"after", checkList(&pb.ListRequest{Bucket: "bucket", After: "\xff"}), protocol.InvalidArgument},
		{"no hashes", checkPrepare(&pb.PrepareRequest{}), 0},
		{"hashes", checkPrepare(&pb.PrepareRequest{Hashes: hash}), 0},
		{"a bucket", checkPrepare(&pb.PrepareRequest{Hashes: hash, Bucket: "bucket"}), 0},
		{"no bucket's name", checkPrepare(&pb.PrepareRequest{Hashes: hash, Bucket: "No"}), protocol.InvalidArgument},
		{"report", checkReport(&pb.ReportRequest{Hash: hash, Node: 1, Cause: uint32(protocol.NotFound)}), 0},
		{"cause beyond a kind", checkReport(&pb.ReportRequest{Hash: hash, Node: 1, Cause: 1<<16 + uint32(protocol.NotFound)}), protocol.InvalidArgument},
		{"zero hash", checkBlockInfo(&pb.BlockInfoRequest{Hash: make([]byte, protocol.HashSize)}), protocol.InvalidArgument},
	} {
		if protocol.KindOf(tc.err) != tc.kind {
			t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.kind)
		}
	}
}

func TestCheckInline(t *testing.T) {
	content := []byte("content")
	right, wrong := protocol.HashOf(content), protocol.HashOf(nil)
	if err := checkInline(&pb.CommitRequest{Inline: content, Digest: right[:]}); err != nil {
		t.Errorf("the right digest: %v", err)
	}
	if err := checkInline(&pb.CommitRequest{Inline: content, Digest: wrong[:]}); protocol.KindOf(err) != protocol.HashMismatch {
		t.Errorf("another digest: %v", err)
	}
}
