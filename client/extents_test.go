package client

import (
	"bytes"
	"testing"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func testAnswer() *pb.LookupAnswer {
	return &pb.LookupAnswer{
		Object:      &pb.ObjectInfo{Bucket: "bucket", Name: "name", Size: 300, Digest: make([]byte, 32)},
		Blocks:      &pb.Blocks{Hashes: bytes.Repeat([]byte{1}, 64), PlainSizes: []uint32{100, 200}, StoredSizes: []uint32{90, 180}},
		FirstOffset: 0,
		Copies:      []*pb.Copy{{Block: 0, Node: 1, Trusted: true}, {Block: 1, Node: 2}},
	}
}

func TestExtents(t *testing.T) {
	list, err := extents(testAnswer())
	if err != nil || len(list) != 2 || list[1].offset != 100 || list[1].ref.Size != 200 || len(list[1].ref.Copies) != 1 || list[0].ref.Copies[0].Node != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	for name, spoil := range map[string]func(*pb.LookupAnswer){
		"half a hash":       func(a *pb.LookupAnswer) { a.Blocks.Hashes = a.Blocks.Hashes[:48] },
		"a size too many":   func(a *pb.LookupAnswer) { a.Blocks.PlainSizes = append(a.Blocks.PlainSizes, 1) },
		"an empty block":    func(a *pb.LookupAnswer) { a.Blocks.PlainSizes[0] = 0 },
		"a huge block":      func(a *pb.LookupAnswer) { a.Blocks.PlainSizes[0] = protocol.MaxBlockSize + 1 },
		"a copy of nothing": func(a *pb.LookupAnswer) { a.Copies[0].Block = 2 },
		"a page too long": func(a *pb.LookupAnswer) {
			a.Blocks.Hashes = make([]byte, 32*(protocol.MaxBlocksPerPage+1))
			a.Blocks.PlainSizes = make([]uint32, protocol.MaxBlocksPerPage+1)
		},
	} {
		a := testAnswer()
		spoil(a)
		if _, err := extents(a); protocol.KindOf(err) != protocol.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTake: an answer that does not cover the range is an error, never less data.
func TestTake(t *testing.T) {
	for _, tc := range []struct {
		name      string
		at, limit int64
		spoil     func(*pb.LookupAnswer)
		ok        bool
	}{
		{"all of it", 0, 300, func(*pb.LookupAnswer) {}, true},
		{"the second block", 100, 300, func(*pb.LookupAnswer) {}, true},
		{"the first block", 5, 10, func(*pb.LookupAnswer) {}, true},
		{"more is to come", 0, 301, func(a *pb.LookupAnswer) { a.More = true }, true},
		{"less than the range", 0, 301, func(*pb.LookupAnswer) {}, false},
		{"the first block is left out", 0, 300, func(a *pb.LookupAnswer) { a.FirstOffset = 100 }, false},
		{"nothing", 0, 300, func(a *pb.LookupAnswer) { a.Blocks, a.Copies = nil, nil }, false},
		{"only what was before", 250, 300, func(a *pb.LookupAnswer) { a.Blocks.PlainSizes = []uint32{1, 1} }, false},
	} {
		a := testAnswer()
		tc.spoil(a)
		r := &Reader{at: tc.at, limit: tc.limit}
		if err := r.take(a); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// FuzzExtents feeds the reader what a metaserver may send.
func FuzzExtents(f *testing.F) {
	body, err := testAnswer().MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body, int64(0), int64(300))
	f.Add(body, int64(150), int64(151))
	f.Fuzz(func(t *testing.T, body []byte, at, limit int64) {
		var a pb.LookupAnswer
		if a.UnmarshalVT(body) != nil {
			return
		}
		r := &Reader{at: max(at, 0), limit: max(limit, at, 0)}
		if r.take(&a) != nil || r.at == r.limit {
			return
		}
		if len(r.page) == 0 || r.page[0].offset > r.at || r.page[0].offset+int64(r.page[0].ref.Size) <= r.at {
			t.Fatalf("the first block of %d to %d is %+v", r.at, r.limit, r.page)
		}
		if last := r.page[len(r.page)-1]; last.offset >= r.limit || !r.more && last.offset+int64(last.ref.Size) < r.limit {
			t.Fatalf("the last block of %d to %d is at %d, and %v that more follows", r.at, r.limit, last.offset, r.more)
		}
	})
}

// TestNoDigest: an object committed by hand may lack its digest, and is an object
// all the same; a broken digest is the metaserver's fault.
func TestNoDigest(t *testing.T) {
	info := &pb.ObjectInfo{Bucket: "bucket", Name: "name", Size: 3, IsInline: true}
	o, err := objectOf(info)
	if err != nil || !o.Digest.IsZero() {
		t.Fatalf("%+v, %v", o, err)
	}
	r := &Reader{object: o, limit: 3, counters: counters{parent: &counters{}}}
	if err := r.take(&pb.LookupAnswer{Object: info, Inline: []byte("abc")}); err != nil || string(r.current) != "abc" {
		t.Errorf("its content is %q, %v", r.current, err)
	}
	info.Digest = make([]byte, protocol.HashSize-1)
	if _, err := objectOf(info); protocol.KindOf(err) != protocol.Internal {
		t.Errorf("half a digest: %v", err)
	}
}
