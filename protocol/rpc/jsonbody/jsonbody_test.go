package jsonbody_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
	"github.com/seed-7d21a5b5/ashlar/protocol/rpc/jsonbody"
)

func TestJSONShowsDigits(t *testing.T) {
	hash := protocol.HashOf([]byte("stone"))
	m := &pb.CommitRequest{
		Call: &pb.Call{Session: bytes.Repeat([]byte{0xab}, 16), Sequence: 1 << 60}, Bucket: "bkt", Name: "näme\"",
		Precondition: &pb.Precondition{Kind: pb.Precondition_IF_ABSENT}, Digest: hash[:], Inline: []byte{0xff, 0},
		Blocks: &pb.Blocks{Hashes: hash[:], PlainSizes: []uint32{5}, StoredSizes: []uint32{4}},
		Claims: []*pb.Claim{{Node: 1}, {Node: 2}},
	}
	var out bytes.Buffer
	jsonbody.Append(&out, m)
	text := out.Bytes()
	for _, want := range []string{
		`"digest":"` + hash.String() + `"`, `"session":"abababababababababababababababab"`, `"inline":"/wA="`,
		`"kind":"IF_ABSENT"`, `"sequence":"1152921504606846976"`, `"plain_sizes":[5]`, `"version":null`, `"size":"0"`,
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	back := &pb.CommitRequest{}
	if err := jsonbody.Decode(text, back); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(m, back) {
		t.Errorf("got %v, want %v", back, m)
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, body := range []string{
		`{"hashes":"xyz"}`, `{"hashes":"abc"}`, `{"hashes":5}`, `{"hashes":"ab"} {}`, `[`, `{"nothing":1}`, `5`,
		strings.Repeat("[", 1<<20), `{"hashes":"ab","hashes":"ab"}`,
	} {
		if err := jsonbody.Decode([]byte(body), &pb.PrepareRequest{}); err == nil {
			t.Errorf("%.40s was taken", body)
		}
	}
}
