package rpc

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/seed-7d21a5b5/ashlar/protocol"
	"github.com/seed-7d21a5b5/ashlar/protocol/pb"
)

func TestBodyForm(t *testing.T) {
	for _, c := range []struct {
		contentType string
		size        int
		want        form
	}{
		{"application/x-protobuf", 1, formProtobuf},
		{"application/x-protobuf", 0, formProtobuf},
		{"application/json", 1, formJSON},
		{"application/json; charset=utf-8", 1, formJSON},
		{" application/json ;x", 1, formJSON},
		{"", 0, formJSON},
		{"", 1, formUnknown},
		{"application/x-www-form-urlencoded", 1, formUnknown},
		{"text/plain", 1, formUnknown},
		{"application/jsonx", 1, formUnknown},
	} {
		if got := bodyForm([]byte(c.contentType), c.size); got != c.want {
			t.Errorf("a body of type %q is of form %d, want %d", c.contentType, got, c.want)
		}
	}
}

func TestAnswerForm(t *testing.T) {
	for _, c := range []struct {
		accept, contentType string
		want                form
	}{
		{"", "", formJSON},
		{"*/*", "", formJSON},
		{"*/*", "application/json", formJSON},
		{"*/*", "application/x-protobuf", formProtobuf},
		{"", "application/x-protobuf", formProtobuf},
		{"application/json", "application/x-protobuf", formJSON},
		{"application/x-protobuf", "application/json", formProtobuf},
		{"application/json, application/x-protobuf", "", formJSON},
		{"application/x-protobuf, application/json", "", formProtobuf},
	} {
		if got := answerForm([]byte(c.accept), []byte(c.contentType)); got != c.want {
			t.Errorf("accepting %q after %q is answered in form %d, want %d", c.accept, c.contentType, got, c.want)
		}
	}
}

func TestFormsRoundTrip(t *testing.T) {
	m := &pb.CommitRequest{Bucket: "abc", Name: "日本", Inline: []byte{0, 255}, Size: 1 << 60, Blocks: &pb.Blocks{PlainSizes: []uint32{1, 2}}}
	for _, f := range []form{formProtobuf, formJSON} {
		raw, err := encode(f, nil, m)
		if err != nil {
			t.Fatal(err)
		}
		var back pb.CommitRequest
		if err := decode(f, raw, &back); err != nil || !proto.Equal(&back, m) {
			t.Errorf("form %d: %v, %v", f, &back, err)
		}
		again, err := encode(f, make([]byte, 0, 4096), m)
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("form %d: two encodings differ: %q and %q, %v", f, raw, again, err)
		}
	}
}

// TestOwned: what was decoded does not change when the buffer it came from does.
func TestOwned(t *testing.T) {
	m := &pb.CommitRequest{Bucket: "bucket", Name: "name", Inline: []byte("inline"), Call: &pb.Call{Session: []byte("session")}, Blocks: &pb.Blocks{Hashes: []byte("hashes")}}
	for _, f := range []form{formProtobuf, formJSON} {
		raw, err := encode(f, nil, m)
		if err != nil {
			t.Fatal(err)
		}
		var back pb.CommitRequest
		if err := decode(f, raw, &back); err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			raw[i] = 0xee
		}
		if !proto.Equal(&back, m) {
			t.Errorf("form %d: poisoning the buffer changed the message: %v", f, &back)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		f    form
		body string
		want protocol.Kind
	}{
		{formUnknown, "{}", protocol.Unsupported},
		{formProtobuf, "{}", protocol.InvalidArgument},
		{formProtobuf, "\x0a\xff\xff\xff\xff\x0f", protocol.InvalidArgument},
		{formJSON, "\x0a\x01a", protocol.InvalidArgument},
		{formJSON, `{"nmae":"a"}`, protocol.InvalidArgument},
		{formJSON, `{"name":"a"} {}`, protocol.InvalidArgument},
		{formJSON, `{"name":"a","name":"b"}`, protocol.InvalidArgument},
		{formJSON, `{"name":"\xff"}`, protocol.InvalidArgument},
	} {
		if err := decode(c.f, []byte(c.body), new(pb.LookupRequest)); protocol.KindOf(err) != c.want {
			t.Errorf("decode %q in form %d: %v, want %s", c.body, c.f, err, c.want)
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"bucket":"abc","name":"x","level":"LEVEL_STALE","offset":"5"}`))
	f.Add([]byte(`{"name":"\u0000"}`))
	f.Add([]byte(`[[[[[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var m pb.LookupRequest
		if err := decode(formJSON, body, &m); err != nil {
			if protocol.KindOf(err) != protocol.InvalidArgument {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		raw, err := encode(formJSON, nil, &m)
		if err != nil {
			t.Fatalf("%q decodes but does not encode: %v", body, err)
		}
		var back pb.LookupRequest
		if err := decode(formJSON, raw, &back); err != nil || !proto.Equal(&back, &m) {
			t.Fatalf("%q: %v becomes %v, %v", body, &m, &back, err)
		}
	})
}
